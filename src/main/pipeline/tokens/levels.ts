/** Numbers of tokens that a method can keep on a package, and why it can keep none. */
import type { Executor } from '../../engine/executor.ts';
import { refusalAfter } from '../../engine/structures/tokens/after.ts';
import { fewerTiles } from '../../engine/structures/tokens/pixel-configs.ts';
import { pixelPlace, smallerSizes } from '../../engine/structures/tokens/pixels.ts';
import { decoderCriterion } from '../../engine/structures/tokens/decoder/criteria/registry.ts';
import { tokenMethod } from '../../engine/structures/tokens/registry.ts';
import type { MethodChoice } from '../../../shared/model/visual-tokens.ts';
import { PREFIX, type InsideMethods } from './inside.ts';
import { insideOf } from './one-variant.ts';
import { imagesPerPicture, pixelsOf, type TokenSubject } from './subject.ts';
import { makeVariants, METHOD_NAMES, PIXELS } from './variants.ts';

const PIXELS_SUMMARY = 'Smaller pictures, or fewer tiles: the whole encoder gets faster too';

/** All methods, each with its numbers or its refusal. */
export async function methodChoices(subject: TokenSubject, executor: Executor): Promise<MethodChoice[]> {
  const choices: MethodChoice[] = [];
  const inside = insideOf(subject);
  for (const name of METHOD_NAMES) choices.push(await methodChoice(subject, name, executor, inside));
  return choices;
}

/** @throws 'tokens-method' */
export async function methodChoice(
  subject: TokenSubject,
  name: string,
  executor: Executor,
  inside: InsideMethods = insideOf(subject),
): Promise<MethodChoice> {
  const { model, place } = subject;
  const method = tokenMethod(name);
  const free = place.count - place.fixed;
  const criterion = name.startsWith(PREFIX) ? decoderCriterion(name.slice(PREFIX.length)) : undefined;
  const summary = criterion
    ? `In the decoder: ${criterion.summary[0]!.toLowerCase()}${criterion.summary.slice(1)}`
    : (method?.summary ?? PIXELS_SUMMARY);
  const all = Array.from({ length: free - 1 }, (_, i) => i + 1);
  const levels = (name === PIXELS ? pixelLevels(subject) : (method?.levels?.(place) ?? all)).filter(
    (n) => n >= 1 && n < free,
  );
  // Its smallest selection is the quickest to build; the largest of smaller pictures is the least unusual.
  const tried = levels.at(name === PIXELS ? -1 : 0);
  const kept = place.grid ? 'kept' : 'unknown';
  const parts = criterion ? 'inside' : !method || method.averages ? 'coarser' : kept;
  const refusedBecause = (refused: string): MethodChoice => ({ name, summary, levels: [], parts, refused });
  const early = method && refusalAfter(model, place, method, tried ?? 1);
  if (early) return refusedBecause(early);
  // A variant also tells whether the configuration can follow.
  const [made] = await makeVariants(subject, [name], tried ?? Math.max(1, free - 1), executor, inside);
  if (made && 'refused' in made) return refusedBecause(made.refused);
  return tried === undefined ? refusedBecause('no number of tokens below all is possible') : { name, summary, levels, parts, refused: null }; // prettier-ignore
}

/** The numbers of tokens at which another size of pictures, or another number of tiles, fits. */
function pixelLevels(subject: TokenSubject): number[] {
  const { model, facts, place, encoder, pkg } = subject;
  if (pixelsOf(encoder).shape.length === 5) {
    const { configs } = pkg.shape;
    const now = imagesPerPicture(subject, configs);
    const tokens = fewerTiles(configs).map((choice) => {
      const images = imagesPerPicture(subject, { ...configs, ...choice.configs });
      return Math.ceil((images * place.count) / now) - place.fixed;
    });
    return ascending(tokens);
  }
  const pixels = pixelPlace(model, facts);
  if ('refused' in pixels) return [];
  const { patch } = pixels;
  return ascending(smallerSizes(pixels).map(([h, w]) => (h / patch[0]) * (w / patch[1])));
}

const ascending = (list: readonly number[]): number[] => [...new Set(list)].sort((a, b) => a - b);
