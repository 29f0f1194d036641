/** Makes packages with fewer visual tokens, measures one use of each, and compares their answers. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { AnswerChange, FewerTokensReport, FewerTokensRequest } from '../../../shared/model/fewer-tokens.ts';
import type { Model } from '../../engine/ir/model.ts';
import { measuredHere } from '../../runtime/device.ts';
import type { AnswerRunner } from '../../runtime/generate/runner.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import { scratchFolder } from '../../storage/scratch.ts';
import type { StageContext } from '../context.ts';
import { threadsNote } from '../measure/threads-note.ts';
import { useOf, withModels } from '../prepare/open-package.ts';
import { openRunner } from '../prepare/open-runner.ts';
import { compareAnswers, sharedSessions, type Question } from './compare-answers.ts';
import { InsideMethods } from './inside.ts';
import { measureUses, type MeasuredUse, type Use } from './measure-uses.ts';
import { imagesPerPicture, keptOf, openSubject, visionDims, type TokenSubject } from './subject.ts';
import { makeVariants, METHOD_NAMES, type Variant } from './variants.ts';
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
 * 'run-*', and errors of `openPackage`
 */
export async function fewerTokens(request: FewerTokensRequest, ctx: StageContext): Promise<FewerTokensReport> {
  const { method, out } = request;
  ctx.progress({ stage: 'load', message: 'reading the package', done: 0 });
  const subject = await openSubject(request.package, request.settings, ctx.executor);
  if (out !== null) refuseOut(out, subject.pkg.root);
  const keep = keptOf(subject, request.keep);
  const inside = new InsideMethods(subject, { layers: request.layers ?? null, marks: request.marks ?? null });
  const made = await makeVariants(subject, method === 'all' ? METHOD_NAMES : [method], keep, ctx.executor, inside);
  const variants = made.filter((m): m is Variant => !('refused' in m));
  const refused = made.flatMap((m) => ('refused' in m ? [{ method: m.method, reason: m.refused }] : []));
  if (variants.length === 0)
    throw method === 'all'
      ? new SecateurError('tokens-refused', { reason: refused[0]!.reason })
      : new SecateurError('tokens-method-refused', refused[0]!);
  const { pkg, place } = subject;
  const images = imagesPerPicture(subject, pkg.shape.configs);
  const judged = (placed: readonly Placed[], draft: Draft | null): Promise<FewerTokensReport> =>
    report({ request, subject, images, refused, asked: images * (keep + place.fixed), marks: inside.marks }, placed, draft, ctx); // prettier-ignore
  ctx.progress({ stage: 'write', message: 'writing', done: 0 });
  if (out !== null) {
    const [variant] = variants;
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

const UNMEASURED: MeasuredUse = { phases: [], metrics: [], ratios: [] };

interface Given {
  readonly request: FewerTokensRequest;
  readonly subject: TokenSubject;
  readonly images: number;
  readonly asked: number;
  readonly refused: FewerTokensReport['refused'];
  readonly marks: FewerTokensReport['marks'];
}

async function report(
  { request, subject, images, asked, refused, marks }: Given,
  placed: readonly Placed[],
  draft: Draft | null,
  ctx: StageContext,
): Promise<FewerTokensReport> {
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
  const answers = await answersOf(request, subject, placed, before.workload.settings['tokens']!, ctx);
  ctx.progress({ stage: request.images.length > 0 ? 'answers' : 'measure', message: 'done', done: 1 });
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
      return { method: variant.method, tokens: variant.tokens, how: variant.how, use: own, ratios, answers: answers?.[i] ?? null }; // prettier-ignore
    }),
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

/** Null without pictures. */
async function answersOf(
  { images, prompts, provider, threads }: FewerTokensRequest,
  { pkg }: TokenSubject,
  placed: readonly Placed[],
  tokens: number,
  ctx: StageContext,
): Promise<AnswerChange[] | null> {
  const questions = images.flatMap((image): Question[] =>
    prompts.length === 0 ? [{ image }] : prompts.map((prompt) => ({ image, prompt })),
  );
  if (questions.length === 0) return null;
  const shared = sharedSessions(ctx.executor);
  const components = new Map<string, Model>(pkg.components.map(({ id }) => [id, openModelFile(pkg.fileOf(id))]));
  const options = { executor: shared.executor, provider, threads };
  const runners: AnswerRunner[] = [];
  try {
    const original = openRunner(pkg, { ...options, replaced: components });
    runners.push(original);
    for (const { variant, folder } of placed) {
      const replaced = new Map([...components, ...variant.models]);
      // A written package answers by itself, which shows that it is complete.
      runners.push(folder ? openRunner(folder, options) : openRunner(pkg, { ...options, replaced, configs: variant.configs })); // prettier-ignore
    }
    return await compareAnswers(
      original,
      runners.slice(1),
      { questions, tokens },
      (done) =>
      ctx.progress({ stage: 'answers', message: `answer ${done + 1} of ${questions.length}`, done: done / questions.length }), // prettier-ignore
    );
  } finally {
    for (const runner of runners) await runner.close();
    await shared.close();
  }
}
