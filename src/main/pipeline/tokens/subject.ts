/** The vision component of a package, and where its tokens can be reduced. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Keep } from '../../../shared/model/fewer-tokens.ts';
import { imageRecipeOf } from '../../data/image-recipe.ts';
import type { Executor } from '../../engine/executor.ts';
import type { ComponentShape } from '../../engine/families/contract.ts';
import { hasInput, withRole } from '../../engine/families/ports.ts';
import { partsOf } from '../../engine/generation/parts.ts';
import { imageToken } from '../../engine/generation/settings.ts';
import { planImage } from '../../engine/images/plan.ts';
import type { Facts } from '../../engine/ir/facts.ts';
import type { Model } from '../../engine/ir/model.ts';
import { featurePlace, type FeaturePlace } from '../../engine/structures/tokens/after.ts';
import type { Configs } from '../../engine/structures/tokens/counts.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { openTextCoder } from '../../runtime/generate/text-coder.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { openPackage, type OpenedPackage } from '../prepare/open-package.ts';

export interface OpenedEncoder {
  readonly pkg: OpenedPackage;
  readonly encoder: ComponentShape;
  readonly model: Model;
  /** Facts of a run on one picture or tile. */
  readonly facts: Facts;
}

export interface TokenSubject extends OpenedEncoder {
  readonly place: FeaturePlace;
  /** True where the decoder reads features beside its tokens, so that prompts have no placeholders. */
  readonly crossed: boolean;
}

/** A vision component with the facts of a run on one picture or tile. @param lean see FactsOptions */
export async function openEncoder(
  pkg: OpenedPackage,
  encoder: ComponentShape,
  executor: Executor,
  lean = false,
): Promise<OpenedEncoder> {
  const model = openModelFile(pkg.fileOf(encoder.id));
  return { pkg, encoder, model, facts: await collectFacts(model, executor, { dims: pkg.mainDims(encoder.id), lean }) };
}

const refuse = (reason: string): never => {
  throw new SecateurError('tokens-refused', { reason });
};

/**
 * Opens a package that answers; `openDual` opens dual encoders.
 * @param settings of the workload
 * @throws 'tokens-refused', 'workload-setting', and errors of `openPackage`
 */
export async function openSubject(
  path: string,
  settings: Readonly<Record<string, number>>,
  executor: Executor,
): Promise<TokenSubject> {
  if ('image' in settings)
    throw new SecateurError('workload-setting', { name: 'image', reason: 'it follows from the package and from --keep' }); // prettier-ignore
  return subjectOf(openPackage(path, { settings }), executor);
}

/** The same for a package that is open. @throws 'tokens-refused' */
export async function subjectOf(pkg: OpenedPackage, executor: Executor): Promise<TokenSubject> {
  if (pkg.shape.components.some((c) => c.imageNote?.cuts.length === 0)) return refuse('its tokens are selected already, and the decoder counts on their number'); // prettier-ignore
  const encoder = visionOf(pkg);
  // Only pictures of any size need runs at several sizes: smaller ones then need no other graph.
  const isFixed = pixelsOf(encoder)
    .shape.slice(-2)
    .every((d) => typeof d === 'number');
  const opened = await openEncoder(pkg, encoder, executor, isFixed);
  const place = featurePlace(opened.model, opened.facts);
  if ('refused' in place) return refuse(place.refused);
  const { kind } = partsOf(pkg.shape);
  if (kind === 'dual' || kind === 'text') return refuse('nothing behind its encoder reads tokens');
  if (
    kind === 'merged' &&
    imageToken(pkg.shape) === null &&
    (openTextCoder(pkg.root)?.idOf('<image>') ?? null) === null
  )
    return refuse('nothing says which positions of a prompt are image tokens');
  return { ...opened, place, crossed: kind === 'crossed' };
}

/** @throws 'tokens-refused' */
function visionOf({ shape }: OpenedPackage): ComponentShape {
  const takesPixels = (c: ComponentShape): boolean => hasInput(c, /pixel_values/i);
  const pictures = shape.components.filter(takesPixels);
  if (pictures.length === 0) return refuse('it has no vision component: no component takes pixel_values');
  const encoder =
    withRole(shape, 'vision-encoder', 'encoder').find(takesPixels) ??
    pictures.find((c) => !hasInput(c, /^input_ids$/i));
  return encoder ?? refuse('its pictures and tokens enter one component, so it has no vision component of its own');
}

/** Pictures or tiles that the encoder gets for a square picture. @param configs of the package */
export function imagesPerPicture({ encoder }: Pick<TokenSubject, 'encoder'>, configs: Configs): number {
  const port = pixelsOf(encoder);
  return port.shape.length === 5 ? planImage(imageRecipeOf(configs, port).recipe, 1024, 1024).images : 1;
}

export const pixelsOf = (encoder: ComponentShape): ComponentShape['inputs'][number] =>
  encoder.inputs.find((p) => /pixel_values/i.test(p.name))!;

/** Sizes of the encoder's dynamic axes for a number of tiles, or for a height and width. */
export function visionDims(
  encoder: ComponentShape,
  { images, size }: { readonly images: number; readonly size?: readonly [number, number] },
): Record<string, number> {
  const { shape } = pixelsOf(encoder);
  const dims: Record<string, number> = {};
  const set = (axis: number, length: number): void => {
    const name = shape.at(axis);
    if (typeof name === 'string') dims[name] = length;
  };
  if (shape.length === 5) set(1, images);
  size?.forEach((length, i) => set(i - 2, length));
  return dims;
}

/**
 * Tokens that stay per picture or tile, without class tokens.
 * @throws 'tokens-keep'
 */
export function keptOf({ place }: { readonly place: Pick<FeaturePlace, 'count' | 'fixed'> }, keep: Keep): number {
  const free = place.count - place.fixed;
  const n = 'tokens' in keep ? keep.tokens : Math.max(1, Math.round(keep.share * free));
  if (!Number.isInteger(n) || n < 1 || n >= free)
    throw new SecateurError('tokens-keep', { keep: n, free, most: free - 1 });
  return n;
}
