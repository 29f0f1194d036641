/** Makes dual encoders whose image encoder has fewer tokens, measures one use of each, and judges retrieval. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { FewerTokensReport, FewerTokensRequest } from '../../../shared/model/fewer-tokens.ts';
import { readPictureTexts, type PictureText } from '../../data/question-table.ts';
import type { DualParts } from '../../engine/generation/parts.ts';
import { measuredHere } from '../../runtime/device.ts';
import type { DualRunner } from '../../runtime/generate/dual-runner.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { scratchFolder } from '../../storage/scratch.ts';
import type { StageContext } from '../context.ts';
import { threadsNote } from '../measure/threads-note.ts';
import { useOf, withModels, type OpenedPackage } from '../prepare/open-package.ts';
import { openDualRunner } from '../prepare/open-runner.ts';
import { DUAL_NAMES, dualVariants, openDual, type DualSubject } from './dual-subject.ts';
import { judgeRetrieval } from './judge-retrieval.ts';
import { measureUses, UNMEASURED, type MeasuredUse, type Use } from './measure-uses.ts';
import { keptOf } from './subject.ts';
import { BASELINES, type Made, type Variant } from './variants.ts';
import { refuseOut, writePackage, type Draft } from './write-package.ts';

interface Given {
  readonly request: FewerTokensRequest;
  readonly subject: DualSubject;
  readonly texts: readonly PictureText[] | null;
  readonly variants: readonly Variant[];
  /** Variants that are judged beside a single method. */
  readonly baselines: readonly Variant[];
  readonly refused: FewerTokensReport['refused'];
  readonly asked: number;
}

/**
 * @param pkg the package of the request
 * @throws 'tokens-*', 'out-unusable', 'usage', 'question-row', 'run-*', and errors of `readPictureTexts`
 */
export async function dualTokens(
  request: FewerTokensRequest,
  pkg: OpenedPackage,
  parts: DualParts,
  ctx: StageContext,
): Promise<FewerTokensReport> {
  const { method, out, questions } = request;
  if (request.images.length > 0 || request.heatMap || questions?.localisation || request.layers || request.marks)
    throw new SecateurError('usage', { reason: 'a dual encoder is judged with --questions, a table of image and text; --image, --localisation, --heat-map, --layers and --marks do not go with it' }); // prettier-ignore
  const texts = questions ? await readPictureTexts(questions.path) : null;
  const subject = await openDual(pkg, parts, ctx.executor);
  if (out !== null) refuseOut(out, pkg.root);
  const keep = keptOf(subject, request.keep);
  const names = method === 'all' ? DUAL_NAMES : [method];
  const beside = texts && method !== 'all' ? BASELINES.filter((name) => name !== method) : [];
  const made = await dualVariants(subject, names, keep, ctx.executor);
  const others = await dualVariants(subject, beside, keep, ctx.executor);
  const [variants, baselines] = [made, others].map((list) => list.filter((m): m is Variant => !('refused' in m))) as [Variant[], Variant[]]; // prettier-ignore
  const refused = [...made, ...others].flatMap((m) =>
    'refused' in m ? [{ method: m.method, reason: m.refused }] : [],
  );
  if (variants.length === 0) throw nothingMade(made, method);
  const given = { request, subject, texts, variants, baselines, refused, asked: keep + subject.place.fixed };
  ctx.progress({ stage: 'write', message: 'writing', done: 0 });
  if (out === null) return inScratch(given, ctx);
  return writePackage(pkg, variants[0]!, out, (draft) =>
    report(given, [join(draft.folder, subject.encoder.file)], draft, ctx),
  );
}

function nothingMade(made: readonly Made[], method: string): SecateurError {
  const [first] = made.flatMap((m) => ('refused' in m ? [{ method: m.method, reason: m.refused }] : []));
  return method === 'all'
    ? new SecateurError('tokens-refused', { reason: first!.reason })
    : new SecateurError('tokens-method-refused', first!);
}

/** Measures the variants in a folder that is removed. */
async function inScratch(given: Given, ctx: StageContext): Promise<FewerTokensReport> {
  const scratch = await scratchFolder();
  try {
    const files: string[] = [];
    for (const { method, models } of given.variants) {
      const file = join(scratch, method, 'model.onnx');
      await mkdir(join(scratch, method));
      saveModelFile(models.get(given.subject.encoder.id)!, file);
      files.push(file);
    }
    return await report(given, files, null, ctx);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function report(
  given: Given,
  files: readonly string[],
  draft: Draft | null,
  ctx: StageContext,
): Promise<FewerTokensReport> {
  const { request, subject, variants, baselines, refused, asked } = given;
  const { pkg, encoder, place } = subject;
  const before: Use = { workload: useOf(pkg.shape, { settings: request.settings }), fileOf: pkg.fileOf };
  const uses = variants.map(({ models, dims }, i): Use => ({
    workload: useOf(withModels(pkg.shape, models), { settings: request.settings, dims }),
    fileOf: (id) => (id === encoder.id ? files[i]! : pkg.fileOf(id)),
  }));
  const all = [before, ...uses];
  const isMeasured = request.measure !== false;
  const [use, ...measured] = (isMeasured ? await measureUses(all, request, ctx) : all.map(() => UNMEASURED)) as [MeasuredUse, ...MeasuredUse[]]; // prettier-ignore
  const judged = await judge(given, draft, ctx);
  ctx.progress({ stage: judged ? 'answers' : 'measure', message: 'done', done: 1 });
  return {
    package: request.package,
    component: encoder.id,
    tokens: place.count,
    asked,
    images: 1,
    about: before.workload.about,
    use: { phases: use.phases, metrics: use.metrics },
    results: variants.map(({ method, tokens, how }, i) => {
      const { ratios, ...own } = measured[i]!;
      return { method, tokens, how, use: own, ratios, answers: null, figures: null, heatMap: null, retrieval: judged?.figures[i] ?? null }; // prettier-ignore
    }),
    questions: null,
    retrieval: judged?.report ?? null,
    baselines: judged
      ? baselines.map(({ method, tokens }, i) => ({ method, tokens, figures: null, retrieval: judged.figures[variants.length + i]! })) // prettier-ignore
      : [],
    refused,
    marks: null,
    written: draft && { folder: request.out!, changed: draft.changed, leftOut: draft.leftOut },
    provenance: measuredHere(),
    notes: [
      ...threadsNote(request.threads, request.threadsAsked),
      'Tokens go inside the image encoder: its first layers see the whole picture.',
      ...(pkg.components.some(({ role }) => role === 'model')
        ? ['The component with both encoders in one file keeps all its tokens.']
        : []),
      ...(isMeasured
        ? ['Times are sums over phases that were measured interleaved, on inputs made up from the names of the ports.']
        : []),
    ],
  };
}

/** Null without pictures and texts. */
async function judge(
  { request, subject: { pkg }, texts, variants, baselines }: Given,
  draft: Draft | null,
  ctx: StageContext,
): Promise<Awaited<ReturnType<typeof judgeRetrieval>> | null> {
  if (!texts) return null;
  const { provider, threads } = request;
  const options = { executor: ctx.executor, provider, threads };
  const runners: DualRunner[] = [];
  const open = (runner: DualRunner): DualRunner => {
    runners.push(runner);
    return runner;
  };
  const variantRunner = ({ models, configs }: Variant): DualRunner =>
    open(openDualRunner(pkg, { ...options, configs, replaced: models }));
  try {
    const original = open(openDualRunner(pkg, options));
    const judged = [...variants, ...baselines].map((variant, i) => ({
      method: variant.method,
      tokens: variant.tokens,
      // A written package answers by itself, which shows that it is complete.
      runner: draft && i === 0 ? open(openDualRunner(draft.folder, options)) : variantRunner(variant),
    }));
    return await judgeRetrieval(
      { file: request.questions!.path, list: texts },
      original,
      judged,
      (done) =>
      ctx.progress({ stage: 'answers', message: `pictures and texts, package ${done + 1} of ${judged.length + 1}`, done: done / (judged.length + 1) }), // prettier-ignore
    );
  } finally {
    for (const runner of runners) await runner.close();
  }
}
