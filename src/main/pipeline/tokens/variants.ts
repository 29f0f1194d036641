/** Packages with fewer visual tokens, one per method: other components, another configuration, or both. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Executor } from '../../engine/executor.ts';
import type { Facts } from '../../engine/ir/facts.ts';
import type { Model } from '../../engine/ir/model.ts';
import { featurePlace, refusalAfter, selectAfter } from '../../engine/structures/tokens/after.ts';
import { countConfigs, type ChangedConfigs, type Configs } from '../../engine/structures/tokens/counts.ts';
import type { TokenMethod } from '../../engine/structures/tokens/method.ts';
import { fewerTiles, pixelConfigs } from '../../engine/structures/tokens/pixel-configs.ts';
import { pixelPlace, shrinkPixels, smallerSizes } from '../../engine/structures/tokens/pixels.ts';
import { TOKEN_METHODS, tokenMethod } from '../../engine/structures/tokens/registry.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { INSIDE_NAMES, type InsideMethods } from './inside.ts';
import type { KeptPositions } from './kept-positions.ts';
import { imagesPerPicture, pixelsOf, visionDims, type TokenSubject } from './subject.ts';

export interface Variant {
  readonly method: string;
  /** Tokens per picture, class tokens included; for cuts inside the decoder, those behind the last one. */
  readonly tokens: number;
  /** Tokens of a picture in the prompt. */
  readonly prompt: number;
  readonly how: string | null;
  /** Components that are replaced, by id. */
  readonly models: ReadonlyMap<string, Model>;
  /** Changed configuration files, whole. */
  readonly configs: Configs;
  /** Sizes of the vision component's dynamic axes. */
  readonly dims: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  /** The same components with an output of the tokens that stay; absent where no token stays in its place. */
  readonly reporting?: {
    /** Which of them decides. */
    readonly component: 'encoder' | 'decoder';
    readonly models: () => ReadonlyMap<string, Model>;
  };
}

export type Made = Variant | { readonly method: string; readonly refused: string };

/** Smaller pictures, or fewer tiles: the method that every other one must beat. */
export const PIXELS = 'pixels';

/** Methods that look at nothing: a method that does not beat them is not worth its time. */
export const BASELINES: readonly string[] = ['random', 'pool', PIXELS];

export const METHOD_NAMES: readonly string[] = [...TOKEN_METHODS.map((m) => m.name), PIXELS, ...INSIDE_NAMES];

/**
 * One variant per method, or the reason why there is none.
 * @param methods names
 * @param keep tokens that stay per picture or tile, without class tokens. A method that cannot keep this number keeps
 * the next smaller one.
 * @param inside makes those whose decoder drops tokens
 * @param positions keeps the positions of selected tokens; absent: runners number them anew
 * @throws 'tokens-method'
 */
export async function makeVariants(
  subject: TokenSubject,
  methods: readonly string[],
  keep: number,
  executor: Executor,
  inside: InsideMethods,
  positions?: KeptPositions,
): Promise<Made[]> {
  const made: Made[] = [];
  for (const name of methods) {
    if (!METHOD_NAMES.includes(name))
      throw new SecateurError('tokens-method', { name, known: METHOD_NAMES.join(', ') });
    const method = tokenMethod(name);
    if (method) made.push(selected(subject, method, keep, positions));
    else made.push(name === PIXELS ? await fewerPixels(subject, keep, executor) : inside.variant(name, keep));
  }
  return made;
}

/** Selection behind the encoder. */
function selected(subject: TokenSubject, method: TokenMethod, asked: number, positions?: KeptPositions): Made {
  const { model, place, pkg, crossed, encoder } = subject;
  const levels = method.levels?.(place).filter((n) => n <= asked);
  const keep = levels?.at(-1) ?? asked;
  const refused = refusalAfter(model, place, method, keep);
  if (refused !== null) return { method: method.name, refused };
  const to = place.fixed + keep;
  const changed = crossed ? NO_COUNTS : countConfigs(pkg.shape.configs, { from: place.count, to });
  if ('refused' in changed) return { method: method.name, ...changed };
  const images = imagesPerPicture(subject, pkg.shape.configs);
  const others = positions?.models(to);
  const placed = others && !('refused' in others) ? others : null;
  return {
    method: method.name,
    tokens: images * to,
    prompt: images * to,
    how: keep < asked ? `${keep} tokens: ${asked} are not possible` : null,
    models: new Map([
      [encoder.id, selectAfter(model, place, method, keep, { places: placed !== null })],
      ...(placed ?? []),
    ]),
    configs: changed.configs,
    notes: [...changed.notes, ...positionNotes(others)],
    dims: visionDims(encoder, { images }),
    ...(!method.averages && {
      reporting: {
        component: 'encoder',
        models: () => new Map([[encoder.id, selectAfter(model, place, method, keep, { report: true })]]),
      },
    }),
  };
}

function positionNotes(others: ReturnType<KeptPositions['models']> | undefined): readonly string[] {
  if (!others) return [];
  return 'refused' in others
    ? [`Runners number the selected tokens anew, which costs answers about places. They cannot keep their positions: ${others.refused}.`]
    : ['Selected tokens keep the positions that they had among all, for one picture per conversation. --positions new numbers them anew.']; // prettier-ignore
}

/** Nothing declares how many states a decoder reads beside its tokens. */
const NO_COUNTS: ChangedConfigs = { configs: {}, notes: [] };

async function fewerPixels(subject: TokenSubject, keep: number, executor: Executor): Promise<Made> {
  if (pixelsOf(subject.encoder).shape.length === 5) return tiles(subject, keep);
  return smallerPictures(subject, keep, executor, {
    tokens: (small, facts) => {
      const after = featurePlace(small, facts);
      return 'refused' in after ? after.refused : after.count;
    },
    placeholders: subject.crossed ? null : subject.place.count,
  });
}

/**
 * The largest picture of whole patches whose tokens are at most `keep`.
 * @param o.tokens counts those of the smaller encoder, or says why it is not possible
 * @param o.placeholders tokens that prompts hold now per picture; null where they hold none
 */
export async function smallerPictures(
  { model, facts, encoder, pkg }: Pick<TokenSubject, 'model' | 'facts' | 'encoder' | 'pkg'>,
  keep: number,
  executor: Executor,
  o: {
    readonly tokens: (small: Model, facts: Facts) => number | string;
    readonly placeholders: number | null;
  },
): Promise<Made> {
  const refused = (reason: string): Made => ({ method: PIXELS, refused: reason });
  const pixels = pixelPlace(model, facts);
  if ('refused' in pixels) return refused(pixels.refused);
  const { patch } = pixels;
  const size = smallerSizes(pixels).find(([h, w]) => (h / patch[0]) * (w / patch[1]) <= keep);
  if (!size) return refused(`no picture of whole patches has at most ${keep} tokens`);
  const small = shrinkPixels(model, facts, pixels, size);
  const dims = visionDims(encoder, { images: 1, size });
  // The runtime says how many tokens come out; a pooling behind the patches would give another number.
  const after = o.tokens(small, await collectFacts(small, executor, { dims: { ...pkg.mainDims(encoder.id), ...dims } })); // prettier-ignore
  if (typeof after === 'string') return refused(after);
  const tokens = o.placeholders === null ? null : { from: o.placeholders, to: after };
  const changed = pixelConfigs(pkg.shape.configs, { from: pixels.size, to: size, ...(tokens && { tokens }) });
  if ('refused' in changed) return refused(changed.refused);
  return {
    method: PIXELS,
    tokens: after,
    prompt: after,
    how: `pictures of ${size.join(' x ')} pixels`,
    models: new Map([[encoder.id, small]]),
    ...changed,
    dims,
  };
}

/** The number of tiles whose tokens together are at most those of the selection. */
function tiles(subject: TokenSubject, keep: number): Made {
  const { configs } = subject.pkg.shape;
  const { count, fixed } = subject.place;
  const now = imagesPerPicture(subject, configs);
  for (const choice of fewerTiles(configs)) {
    const images = imagesPerPicture(subject, { ...configs, ...choice.configs });
    if (images >= now || images * count > now * (fixed + keep)) continue;
    return {
      method: PIXELS,
      tokens: images * count,
      prompt: images * count,
      how: `${images} ${images === 1 ? 'tile' : 'tiles'} instead of ${now}`,
      models: new Map(),
      configs: choice.configs,
      dims: visionDims(subject.encoder, { images }),
      notes: [],
    };
  }
  return { method: PIXELS, refused: `one tile has ${count} tokens, and the size of tiles is fixed` };
}
