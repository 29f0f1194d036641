/** Dual encoders: their pictures become one vector, so tokens are reduced inside the image encoder. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Executor } from '../../engine/executor.ts';
import type { DualParts } from '../../engine/generation/parts.ts';
import type { Facts } from '../../engine/ir/facts.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Value } from '../../engine/ir/value.ts';
import { scheduleFor } from '../../engine/structures/tokens/candidates.ts';
import { cutTokens } from '../../engine/structures/tokens/cut.ts';
import { findTokenPlaces, type TokenPlaces } from '../../engine/structures/tokens/places.ts';
import { TOKEN_METHODS, tokenMethod } from '../../engine/structures/tokens/registry.ts';
import type { OpenedPackage } from '../prepare/open-package.ts';
import { openEncoder, visionDims, type OpenedEncoder } from './subject.ts';
import { PIXELS, smallerPictures, type Made } from './variants.ts';

/** Methods of dual encoders, which have no decoder. */
export const DUAL_NAMES: readonly string[] = [...TOKEN_METHODS.map((m) => m.name), PIXELS];

export interface DualSubject extends OpenedEncoder {
  readonly found: TokenPlaces;
  /** Tokens of the whole encoder, and those among them that always stay. */
  readonly place: { readonly count: number; readonly fixed: number };
}

/** @throws 'tokens-refused' */
export async function openDual(pkg: OpenedPackage, { image }: DualParts, executor: Executor): Promise<DualSubject> {
  const opened = await openEncoder(pkg, image, executor);
  const found = placesOf(opened.model, opened.facts);
  const [place] = found.places;
  if (place) return { ...opened, found, place };
  const { refused } = found;
  throw new SecateurError('tokens-refused', {
    reason: refused ? `${refused.operator}: ${refused.reason}` : 'no layer of its image encoder reads tokens',
  });
}

/** Places with attention behind them. The last states may be an output besides the vector; it has fewer tokens then. */
function placesOf(model: Model, facts: Facts): TokenPlaces {
  const states = model.graph.outputs.filter((v: Value) => facts.get(v)?.shape.length === 3);
  const found = findTokenPlaces(model, facts, new Set(states));
  return { ...found, places: found.places.filter((p) => p.weighings.length > 0) };
}

/**
 * One variant per method, or the reason why there is none.
 * @param keep tokens that stay behind the last cut, without the class token
 * @throws 'tokens-method'
 */
export async function dualVariants(
  subject: DualSubject,
  methods: readonly string[],
  keep: number,
  executor: Executor,
): Promise<Made[]> {
  const made: Made[] = [];
  for (const name of methods) {
    if (!DUAL_NAMES.includes(name)) throw new SecateurError('tokens-method', { name, known: DUAL_NAMES.join(', ') });
    made.push(name === PIXELS ? await pixels(subject, keep, executor) : inside(subject, name, keep));
  }
  return made;
}

const pixels = (subject: DualSubject, keep: number, executor: Executor): Promise<Made> =>
  smallerPictures(subject, keep, executor, {
    tokens: (small, facts) => placesOf(small, facts).places[0]?.count ?? 'its smaller encoder has no layers of tokens',
    placeholders: null,
  });

function inside(subject: DualSubject, name: string, keep: number): Made {
  const { found, model, facts, place, encoder } = subject;
  const method = tokenMethod(name)!;
  const schedule = scheduleFor(found, method, keep);
  if (!schedule) return { method: name, refused: `no place of the image encoder has ${method.needs.join(' and ')}, or can keep ${keep} tokens` }; // prettier-ignore
  const steps = schedule.steps.map((s) => ({ keep: s.keep, layer: found.places.find((p) => p.name === s.place)!.layer })); // prettier-ignore
  const last = steps.at(-1)!;
  return {
    method: name,
    tokens: place.fixed + last.keep,
    prompt: 0,
    how: `behind ${steps.length === 1 ? `layer ${last.layer}` : `layers ${steps.map((s) => s.layer).join(', ')}`} of ${found.layers}`,
    models: new Map([[encoder.id, cutTokens({ model, facts, places: found.places }, schedule)]]),
    configs: {},
    dims: visionDims(encoder, { images: 1 }),
    notes: [],
  };
}
