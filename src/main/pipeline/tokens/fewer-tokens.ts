/** Makes packages with fewer visual tokens, measures one use of each, and compares their answers. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { FewerTokensReport, FewerTokensRequest } from '../../../shared/model/fewer-tokens.ts';
import type { TokenRecovery } from '../../../shared/model/token-recovery.ts';
import type { Model } from '../../engine/ir/model.ts';
import { measuredHere } from '../../runtime/device.ts';
import type { AnswerRunner } from '../../runtime/generate/runner.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import { scratchFolder } from '../../storage/scratch.ts';
import type { StageContext } from '../context.ts';
import { threadsNote } from '../measure/threads-note.ts';
import { useOf, withModels } from '../prepare/open-package.ts';
import { openRunner } from '../prepare/open-runner.ts';
import { answerAll, answerChange, sharedSessions, type Answered, type Question } from './compare-answers.ts';
import { heatMaps } from './heat-maps.ts';
import { InsideMethods } from './inside.ts';
import { KeptPositions } from './kept-positions.ts';
import { judgeQuestions, openQuestions, type OpenedQuestions } from './judge-questions.ts';
import { measureUses, UNMEASURED, type MeasuredUse, type Use } from './measure-uses.ts';
import { recoverPackage } from './recover/recover-package.ts';
import { imagesPerPicture, keptOf, openSubject, visionDims, type TokenSubject } from './subject.ts';
import { BASELINES, makeVariants, METHOD_NAMES, PIXELS, type Variant } from './variants.ts';
import { refuseOut, writePackage, type Draft } from './write-package.ts';

/** A variant, and the files of its components. */
interface Placed {
  readonly variant: Variant;
  /** Paths by component, of those that are replaced. */
  readonly files: ReadonlyMap<string, string>;
  /** The written package; absent where only its parts exist. */
  readonly folder?: string;
}

/**
 * @throws 'tokens-refused', 'tokens-method', 'tokens-method-refused', 'tokens-keep', 'out-unusable', 'workload-setting',
 * 'run-*', 'question-row', and errors of `openPackage`
 */
export async function fewerTokens(request: FewerTokensRequest, ctx: StageContext): Promise<FewerTokensReport> {
  const { method, out } = request;
  ctx.progress({ stage: 'load', message: 'reading the package', done: 0 });
  const questions = request.questions ? await openQuestions(request.questions) : null;
  const subject = await openSubject(request.package, request.settings, ctx.executor);
  if (out !== null) refuseOut(out, subject.pkg.root);
  const keep = keptOf(subject, request.keep);
  const inside = new InsideMethods(subject, { layers: request.layers ?? null, marks: request.marks ?? null });
  const positions = request.positions === 'new' ? undefined : new KeptPositions(subject);
  const names = method === 'all' ? METHOD_NAMES : [method];
  const made = await makeVariants(subject, names, keep, ctx.executor, inside, positions);
  const variants = made.filter((m): m is Variant => !('refused' in m));
  const refused = made.flatMap((m) => ('refused' in m ? [{ method: m.method, reason: m.refused }] : []));
  if (variants.length === 0)
    throw method === 'all'
      ? new SecateurError('tokens-refused', { reason: refused[0]!.reason })
      : new SecateurError('tokens-method-refused', refused[0]!);
  const beside = questions && method !== 'all' ? BASELINES.filter((name) => name !== method) : [];
  const baselines = await makeVariants(subject, beside, keep, ctx.executor, inside, positions);
  refused.push(...baselines.flatMap((m) => ('refused' in m ? [{ method: m.method, reason: m.refused }] : [])));
  const { pkg, place } = subject;
  const images = imagesPerPicture(subject, pkg.shape.configs);
  const asked = questionsOf(request, questions);
  const recovered = request.recover ? await recovery(request, subject, variants[0]!, asked, ctx) : null;
  const held = recovered ? [...asked.keys()].filter((i) => recovered.judge.has(asked[i]!)) : [...asked.keys()];
  const given: Given = {
    request,
    subject,
    questions: questions && { ...questions, list: held.map((i) => questions.list[i]!) },
    ask: held.map((i) => asked[i]!),
    baselines: [
      ...(recovered?.report.kept ? [{ ...variants[0]!, method: `${method} before recovery` }] : []),
      ...baselines.filter((m): m is Variant => !('refused' in m)),
    ],
    recovery: recovered?.report ?? null,
    images,
    asked: images * (keep + place.fixed),
    refused,
    marks: inside.marks,
  };
  const judged = (placed: readonly Placed[], draft: Draft | null): Promise<FewerTokensReport> =>
    report(given, placed, draft, ctx);
  ctx.progress({ stage: 'write', message: 'writing', done: 0 });
  if (out !== null) {
    const variant = recovered?.variant ?? variants[0];
    return writePackage(pkg, variant!, out, (draft) => {
      const written = pkg.components.filter((c) => variant!.models.has(c.id));
      const files = new Map(written.map((c) => [c.id, join(draft.folder, c.file)]));
      return judged([{ variant: variant!, files, folder: draft.folder }], draft);
    });
  }
  const scratch = await scratchFolder();
  try {
    const files = new Map<Model, string>();
    for (const model of new Set(variants.flatMap((v) => [...v.models.values()]))) {
      const folder = join(scratch, String(files.size));
      await mkdir(folder);
      files.set(model, join(folder, 'model.onnx'));
      saveModelFile(model, files.get(model)!);
    }
    const filesOf = ({ models }: Variant): Map<string, string> =>
      new Map([...models].map(([id, model]) => [id, files.get(model)!]));
    return await judged(
      variants.map((variant) => ({ variant, files: filesOf(variant) })),
      null,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Given {
  readonly request: FewerTokensRequest;
  readonly subject: TokenSubject;
  /** Those of a file that are judged; null without a file. */
  readonly questions: OpenedQuestions | null;
  /** Questions that are judged: after recovery, those that it has not seen. */
  readonly ask: readonly Question[];
  readonly recovery: TokenRecovery | null;
  /** Variants that are judged beside a single method. */
  readonly baselines: readonly Variant[];
  readonly images: number;
  readonly asked: number;
  readonly refused: FewerTokensReport['refused'];
  readonly marks: FewerTokensReport['marks'];
}

async function report(
  given: Given,
  placed: readonly Placed[],
  draft: Draft | null,
  ctx: StageContext,
): Promise<FewerTokensReport> {
  const { request, subject, images, asked, refused, marks } = given;
  const { pkg, encoder, place } = subject;
  const tokens = images * place.count;
  const before: Use = {
    workload: useOf(pkg.shape, {
      settings: { ...request.settings, image: tokens },
      dims: visionDims(encoder, { images }),
    }),
    fileOf: pkg.fileOf,
  };
  const uses = placed.map(({ variant: { models, prompt, dims }, files }): Use => ({
    workload: useOf(withModels(pkg.shape, models), { settings: { ...request.settings, image: prompt }, dims }),
    fileOf: (id) => files.get(id) ?? pkg.fileOf(id),
  }));
  const all = [before, ...uses];
  const isMeasured = request.measure !== false;
  const [use, ...measured] = (isMeasured ? await measureUses(all, request, ctx) : all.map(() => UNMEASURED)) as [MeasuredUse, ...MeasuredUse[]]; // prettier-ignore
  const answered = await answersOf(given, placed, before.workload.settings['tokens']!, ctx);
  const judged = judge(given, placed, answered);
  const variants = placed.map((p) => p.variant);
  const maps = request.heatMap ? await heatMaps(variants, answered?.questions ?? [], subject, request, ctx) : null;
  ctx.progress({ stage: answered ? 'answers' : 'measure', message: 'done', done: 1 });
  return {
    package: request.package,
    component: encoder.id,
    tokens,
    asked,
    images,
    about: before.workload.about,
    use: { phases: use.phases, metrics: use.metrics },
    results: placed.map(({ variant }, i) => {
      const { ratios, ...own } = measured[i]!;
      const answers = answered && answerChange(answered.questions, answered.original, answered.others[i]!);
      return { method: variant.method, tokens: variant.tokens, how: variant.how, use: own, ratios, answers, figures: judged?.figures[i] ?? null, heatMap: maps?.[i] ?? null, retrieval: null, recovery: given.recovery }; // prettier-ignore
    }),
    questions: judged?.report ?? null,
    retrieval: null,
    baselines: judged
      ? given.baselines.map(({ method, tokens }, i) => ({
          method,
          tokens,
          figures: judged.figures[placed.length + i]!,
          retrieval: null,
        }))
      : [],
    refused,
    marks,
    written: draft && { folder: request.out!, changed: draft.changed, leftOut: draft.leftOut },
    provenance: measuredHere(),
    notes: [
      ...threadsNote(request.threads, request.threadsAsked),
      ...(images > 1 ? [`A square picture is cut into ${images} tiles of ${place.count} tokens.`] : []),
      ...new Set(placed.flatMap(({ variant }) => variant.notes)),
      ...(isMeasured
        ? ['Times are sums over phases that were measured interleaved, on inputs made up from the names of the ports.']
        : []),
    ],
  };
}

const questionsOf = ({ images, prompts }: FewerTokensRequest, file: OpenedQuestions | null): Question[] =>
  file
    ? file.list.map(({ image, prompt }): Question => ({ image: image ?? undefined, prompt: prompt ?? undefined }))
    : images.flatMap((image): Question[] =>
        prompts.length === 0 ? [{ image }] : prompts.map((prompt) => ({ image, prompt })),
      );

/** The variant with trained weights, and the questions that judge it. Questions without a picture are not asked. */
async function recovery(
  { recover, provider, threads }: FewerTokensRequest,
  { pkg }: TokenSubject,
  variant: Variant,
  asked: readonly Question[],
  ctx: StageContext,
): Promise<{ variant: Variant; report: TokenRecovery; judge: ReadonlySet<Question> }> {
  const { workload } = pkg;
  const recovered = await recoverPackage(
    {
      pkg,
      reduced: variant,
      questions: asked.filter((q) => q.image !== undefined),
      tokens: workload.settings['tokens']!,
      recover: recover!,
      provider,
      threads,
    },
    ctx,
  );
  const models = new Map([...variant.models, ...recovered.models]);
  return { variant: { ...variant, models }, report: recovered.report, judge: new Set(recovered.judge) };
}

interface AnsweredQuestions {
  readonly questions: readonly Question[];
  readonly original: readonly Answered[];
  /** Those of the variants, then those of the baselines. */
  readonly others: readonly (readonly Answered[])[];
}

/** Null without questions. */
async function answersOf(
  { request, subject: { pkg }, ask: questions, baselines }: Given,
  placed: readonly Placed[],
  tokens: number,
  ctx: StageContext,
): Promise<AnsweredQuestions | null> {
  const { provider, threads } = request;
  if (questions.length === 0) return null;
  const shared = sharedSessions(ctx.executor);
  const components = new Map<string, Model>(pkg.components.map(({ id }) => [id, openModelFile(pkg.fileOf(id))]));
  const options = { executor: shared.executor, provider, threads };
  const runners: AnswerRunner[] = [];
  const open = ({ models, configs }: Variant): AnswerRunner =>
    openRunner(pkg, { ...options, replaced: new Map([...components, ...models]), configs });
  try {
    const original = openRunner(pkg, { ...options, replaced: components });
    runners.push(original);
    // A written package answers by itself, which shows that it is complete.
    for (const { variant, folder } of placed) runners.push(folder ? openRunner(folder, options) : open(variant));
    for (const variant of baselines) runners.push(open(variant));
    const [own, ...others] = await answerAll(
      original,
      runners.slice(1),
      { questions, tokens },
      (done) =>
      ctx.progress({ stage: 'answers', message: `answer ${done + 1} of ${questions.length}`, done: done / questions.length }), // prettier-ignore
    );
    return { questions, original: own!, others };
  } finally {
    for (const runner of runners) await runner.close();
    await shared.close();
  }
}

/** Null without a file of questions. */
function judge(
  { questions, baselines }: Given,
  placed: readonly Placed[],
  answered: AnsweredQuestions | null,
): ReturnType<typeof judgeQuestions> | null {
  if (!questions || !answered) return null;
  const variants = [...placed.map((p) => p.variant), ...baselines];
  const judged = variants.map(({ method, tokens }, i) => ({ method, tokens, answers: answered.others[i]! }));
  return judgeQuestions(questions, answered.original, judged, PIXELS);
}
