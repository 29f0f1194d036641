/** Compares a pruned decoder with the masked one: the prompt, then an answer with the same kept tokens. */
import type { Model } from '../../src/main/engine/ir/model.ts';
import type { ImageRoute } from '../../src/main/engine/structures/tokens/decoder/image-mask.ts';
import { maskDecoder } from '../../src/main/engine/structures/tokens/decoder/mask.ts';
import { pruneDecoder } from '../../src/main/engine/structures/tokens/decoder/prune.ts';
import type { TokenCut } from '../../src/main/engine/structures/tokens/decoder/stage.ts';
import { bools, gap, joinTokens, open, rowOf, type Step } from './decoder-runs.ts';

export interface Comparison {
  /** Largest difference of logits: kept tokens of the prompt, and every token of the answer. */
  readonly error: number;
  /** Largest difference of the last token's logits to those of the whole decoder: the check is meaningful above 0. */
  readonly effect: number;
  /** Places of the tokens that each cut leaves. */
  readonly left: readonly (readonly number[])[];
}

export async function compare(
  model: Model,
  cuts: readonly TokenCut[],
  prompt: Step,
  words: readonly Step[],
): Promise<Comparison> {
  const route: ImageRoute = { route: 'input' };
  const [original, pruned, masked, given] = await Promise.all([
    open(model),
    open(pruneDecoder(model, cuts, { route, report: true })),
    open(maskDecoder(model, cuts, { route, kept: 'computed' })),
    open(maskDecoder(model, cuts, { route, kept: 'given' })),
  ]);
  const names = cuts.map((c) => `kept_tokens.${c.layer}`);
  const first = await pruned!.step(prompt);
  const reference = await masked!.step(prompt);
  const places = (o: typeof first): number[][] => names.map((n) => Array.from(o[n]!.data as BigInt64Array, Number));
  const left = places(first);
  if (JSON.stringify(left) !== JSON.stringify(places(reference))) throw new Error('other tokens are kept');
  let error = 0;
  left.at(-1)!.forEach((place, row) => {
    error = Math.max(error, gap(rowOf(first['logits']!, row), rowOf(reference['logits']!, place)));
  });
  const whole = await original!.step(prompt);
  const effect = gap(rowOf(whole['logits']!, -1), rowOf(first['logits']!, -1));

  // Places that each cut leaves in the whole sequence, step by step.
  const visible: boolean[][] = cuts.map(() => []);
  const mark = (step: Step, kept: number[][]): void =>
    kept.forEach((at, i) => visible[i]!.push(...step.image.map((_, place) => at.includes(place))));
  mark(prompt, left);
  for (const [n, word] of words.entries()) {
    const next = await pruned!.step(word);
    mark(word, places(next));
    const all = [prompt, ...words.slice(0, n + 1)];
    const extra = Object.fromEntries(cuts.map(({ layer }, i) => [`kept.${layer}`, bools(visible[i]!)]));
    const tokens = joinTokens(all.map((s) => s.tokens));
    const full = await given!.reset().step({ tokens, image: all.flatMap((s) => s.image), extra });
    error = Math.max(error, gap(rowOf(next['logits']!, -1), rowOf(full['logits']!, -1)));
  }
  await Promise.all([original, pruned, masked, given].map((r) => r!.release()));
  return { error, effect, left };
}
