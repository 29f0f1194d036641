/** Milliseconds until the first token at several numbers of image tokens. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Workload } from '../../../shared/model/package.ts';
import type { TokenPoint, TokenTimes, TokenTimesRequest } from '../../../shared/model/visual-tokens.ts';
import { measuredHere } from '../../runtime/device.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { scratchFolder } from '../../storage/scratch.ts';
import type { StageContext } from '../context.ts';
import { openPackage, useOf, withModels } from '../prepare/open-package.ts';
import { methodChoice } from './levels.ts';
import { measureUses, type Use } from './measure-uses.ts';
import { insideOf, oneVariant } from './one-variant.ts';
import { imagesPerPicture, openSubject, visionDims } from './subject.ts';

/** Shares of the tokens at which a curve is measured, besides the least and the most that are possible. */
const SHARES = [0.25, 0.5];
/** Shares for the original package, whose prompt may hold any number of image tokens. */
const ORIGINAL_SHARES = [0.125, 0.25, 0.5, 1];

const METRIC = 'first-token';

/** A use that is measured, and the number of tokens that its point is drawn at. */
interface Planned {
  readonly tokens: number;
  readonly use: Use;
}

/**
 * All uses are measured interleaved, each at the phases before the first token alone.
 * @throws 'tokens-refused', 'tokens-method', 'tokens-method-refused', 'workload-setting', 'workload-metric', and errors
 * of `openPackage`
 */
export async function tokenTimes(request: TokenTimesRequest, ctx: StageContext): Promise<TokenTimes> {
  ctx.progress({ stage: 'load', message: 'reading the package', done: 0 });
  return request.method === null ? growth(request, ctx) : ofMethod({ ...request, method: request.method }, ctx);
}

async function growth(request: TokenTimesRequest, ctx: StageContext): Promise<TokenTimes> {
  const { settings, family } = request;
  const pkg = openPackage(request.package, { settings, family });
  const image = pkg.workload.settings['image'];
  if (image === undefined) throw new SecateurError('workload-setting', { name: 'image', reason: 'one use of this package has no picture' }); // prettier-ignore
  const counts = [...new Set(ORIGINAL_SHARES.map((share) => Math.max(1, Math.round(share * image))))];
  const planned = counts.map((tokens): Planned => {
    const { workload } = openPackage(request.package, { settings: { ...settings, image: tokens }, family });
    return { tokens, use: { workload: untilFirst(workload), fileOf: pkg.fileOf } };
  });
  const points = await measured(planned, request, ctx);
  return { method: null, original: points.at(-1)!, points, provenance: measuredHere() };
}

async function ofMethod(
  request: TokenTimesRequest & { readonly method: string },
  ctx: StageContext,
): Promise<TokenTimes> {
  const { method } = request;
  // The number of image tokens follows from the method.
  const { image: _, ...settings } = request.settings;
  const subject = await openSubject(request.package, settings, ctx.executor);
  const { pkg, encoder, place } = subject;
  const inside = insideOf(subject);
  const choice = await methodChoice(subject, method, ctx.executor, inside);
  if (choice.refused !== null) throw new SecateurError('tokens-method-refused', { method, reason: choice.refused });
  const images = imagesPerPicture(subject, pkg.shape.configs);
  const free = place.count - place.fixed;
  const original = useOf(pkg.shape, { settings: { ...settings, image: images * place.count }, dims: visionDims(encoder, { images }) }); // prettier-ignore
  const scratch = await scratchFolder();
  try {
    const planned: Planned[] = [{ tokens: free, use: { workload: untilFirst(original), fileOf: pkg.fileOf } }];
    for (const keep of levelsToMeasure(choice.levels, free)) {
      const { models, prompt, dims } = await oneVariant(subject, { method, keep }, ctx.executor, inside);
      const files = new Map<string, string>();
      for (const [id, model] of models) {
        const folder = join(scratch, `${keep}-${files.size}`);
        await mkdir(folder);
        saveModelFile(model, join(folder, 'model.onnx'));
        files.set(id, join(folder, 'model.onnx'));
      }
      const workload = useOf(withModels(pkg.shape, models), { settings: { ...settings, image: prompt }, dims });
      planned.push({ tokens: keep, use: { workload: untilFirst(workload), fileOf: (id) => files.get(id) ?? pkg.fileOf(id) } }); // prettier-ignore
    }
    const [first, ...points] = await measured(planned, request, ctx);
    return { method, original: first!, points, provenance: measuredHere() };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * The least, the most, and the levels nearest to the shares in between, ascending.
 * @param levels ascending, at least one
 * @internal
 */
export function levelsToMeasure(levels: readonly number[], free: number): number[] {
  const nearest = (tokens: number): number =>
    levels.reduce((a, b) => (Math.abs(b - tokens) < Math.abs(a - tokens) ? b : a));
  const chosen = [levels[0]!, ...SHARES.map((share) => nearest(share * free)), levels.at(-1)!];
  return [...new Set(chosen)].sort((a, b) => a - b);
}

/** The phases before the first token. @throws 'workload-metric' */
function untilFirst({ phases, metrics, ...workload }: Workload): Workload {
  const metric = metrics.find((m) => m.name === METRIC);
  if (!metric) throw new SecateurError('workload-metric', { metric: METRIC, known: metrics.map((m) => m.name).join(', ') }); // prettier-ignore
  return { ...workload, phases: phases.filter((p) => (metric.weights[p.name] ?? 0) > 0), metrics: [metric] };
}

async function measured(
  planned: readonly Planned[],
  request: TokenTimesRequest,
  ctx: StageContext,
): Promise<TokenPoint[]> {
  const uses = await measureUses(
    planned.map((p) => p.use),
    request,
    ctx,
  );
  ctx.progress({ stage: 'measure', message: 'done', done: 1 });
  return uses.map(({ metrics: [metric] }, i) => ({
    tokens: planned[i]!.tokens,
    ms: metric!.ms,
    noiseMs: metric!.noiseMs,
  }));
}
