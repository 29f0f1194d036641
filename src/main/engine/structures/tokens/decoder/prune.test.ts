import { describe, expect, it } from 'vitest';
import { answer, embeddings, gap, open, rowOf, type Outputs } from '../../../../../../test/support/decoder-runs.ts';
import { fusedDecoder, plainDecoder, SMALL } from '../../../../../../test/support/small-decoder.ts';
import { DType } from '../../../ir/dtype.ts';
import type { Model } from '../../../ir/model.ts';
import { DECODER_CRITERIA } from './criteria/registry.ts';
import { compare } from '../../../../../../test/support/decoder-oracle.ts';
import { findDecoder } from './find.ts';
import { pruneDecoder } from './prune.ts';
import type { TokenCut } from './stage.ts';
import type { Decoder } from './types.ts';

const route = { route: 'input' } as const;
/** Two words, twelve image tokens, three words. */
const isImage = Array.from({ length: 17 }, (_, i) => i >= 2 && i < 14);
const prompt = { tokens: embeddings(17, SMALL.width, 1), image: isImage };
const words = [2, 3, 4].map((seed) => ({ tokens: embeddings(1, SMALL.width, seed), image: [false] }));

const DECODERS: readonly (readonly [string, Model])[] = [
  ['single operators', plainDecoder()],
  ['GroupQueryAttention', fusedDecoder()],
];
const VARIANTS: readonly (readonly [string, Model])[] = [
  ['normalized heads', plainDecoder({ headNorm: true })],
  ['counted positions', plainDecoder({ odd: 'counted positions' })],
  ...(['three inputs', 'positions outside', 'MultiHeadAttention', 'Attention'] as const).map(
    (form) => [form, fusedDecoder({ form })] as const,
  ),
];
const cut = (layer: number, ratio: number, criterion = 'uniform'): TokenCut => ({ layer, keep: { ratio }, criterion });
const PLANS: readonly (readonly [string, readonly TokenCut[], kept: readonly number[]])[] = [
  ...[1, 2, 3].map((layer) => [`uniform before layer ${layer}`, [cut(layer, 0.5)], [11]] as const),
  ['random', [{ ...cut(1, 0.25, 'random'), seed: 3 }], [8]],
  ['fastv', [cut(2, 0.5, 'fastv')], [11]],
  ['feather in two steps', [cut(1, 0.3, 'feather'), cut(2, 0.09, 'feather')], [-1, 6]],
  ['feather with a grid', [{ ...cut(2, 0.25, 'feather'), columns: 4 }], [-1]],
  ['pyramiddrop in three steps', [cut(1, 0.5, 'pyramiddrop'), cut(2, 0.25, 'pyramiddrop'), cut(3, 0.125, 'pyramiddrop')], [11, 8, 6]],
  ['a number of tokens', [{ layer: 2, keep: { count: 5 }, criterion: 'fastv' }], [10]],
  ['no image token left', [cut(2, 0, 'uniform')], [5]],
]; // prettier-ignore

describe.each(DECODERS)('%s', (_name, model) => {
  it.each(PLANS)('%s: equals the masked decoder, and the answer equals a recomputation', async (_plan, cuts, kept) => {
    const { error, effect, left } = await compare(model, cuts, prompt, words);
    expect(error).toBeLessThan(1e-4);
    expect(effect).toBeGreaterThan(1e-2);
    left.forEach((places, i) => kept[i]! >= 0 && expect(places).toHaveLength(kept[i]!));
  });

  const same = (a: readonly Outputs[], b: readonly Outputs[]): void =>
    a.forEach((outputs, i) => {
      for (const [name, t] of Object.entries(outputs)) expect(t, name).toEqual(b[i]![name]);
    });

  it.each(DECODER_CRITERIA.map((c) => c.name))('%s: keeping all, and text alone, change no bit', async (criterion) => {
    const original = await open(model);
    const pruned = await open(pruneDecoder(model, [cut(1, 1, criterion), { ...cut(3, 1, criterion) }], { route }));
    same(await answer(original, [prompt, ...words]), await answer(pruned, [prompt, ...words]));
    const half = await open(pruneDecoder(model, [cut(2, 0.5, criterion)], { route }));
    const text = { ...prompt, image: isImage.map(() => false) };
    same(await answer(original, [text, ...words]), await answer(half, [text, ...words]));
    await Promise.all([original, pruned, half].map((r) => r.release()));
  });
});

it.each(VARIANTS)('%s: equals the masked decoder', async (_name, model) => {
  for (const criterion of ['feather', 'pyramiddrop']) {
    const { error, effect } = await compare(model, [cut(1, 0.5, criterion), cut(3, 0.25, criterion)], prompt, words);
    expect(error).toBeLessThan(1e-4);
    expect(effect).toBeGreaterThan(1e-2);
  }
});

it('tokens are dropped from the layers behind the cut alone', async () => {
  const pruned = await open(pruneDecoder(plainDecoder(), [cut(2, 0.25)], { route }));
  const [first, second] = await answer(pruned, [prompt, words[0]!]);
  const lengths = (o: Outputs): number[] => [0, 1, 2, 3].map((i) => o[`present.${i}.key`]!.dims[2]!);
  expect(lengths(first!)).toEqual([17, 17, 8, 8]);
  expect(lengths(second!)).toEqual([18, 18, 9, 9]);
  expect(gap(rowOf(first!['logits']!, -1), rowOf(second!['logits']!, -1))).toBeGreaterThan(0);
  await pruned.release();
});

it('lengths behind a cut have names of their own, and no inner value claims another', () => {
  const model = plainDecoder();
  const { layers } = findDecoder(model) as Decoder;
  const product = layers[2]!.attention.product!.output();
  product.type = { elemType: DType.FLOAT, shape: ['batch', SMALL.heads, 'seq', 'total'] };
  const { graph } = pruneDecoder(model, [cut(1, 0.5), cut(3, 0.25)], { route });
  const past = [0, 1, 2, 3].map((i) => graph.findValue(`past_key_values.${i}.key`)!.type!.shape![2]);
  expect(past).toEqual(['past', 'past_from_layer_1', 'past_from_layer_1', 'past_from_layer_3']);
  expect(graph.findValue(product.name)!.type).toEqual({ elemType: DType.FLOAT });
});

it.each([
  ['the first layer', [cut(0, 0.5)], 'the first layer keeps the whole cache'],
  ['a layer too many', [cut(4, 0.5)], 'no layer 4'],
  ['the wrong order', [cut(2, 0.5), cut(1, 0.5)], 'order of layers'],
  ['an unknown criterion', [cut(1, 0.5, 'other')], 'no criterion other'],
  ['more than all', [cut(1, 1.5)], 'neither a share nor a number'],
])('refuses %s', (_, cuts, reason) => {
  expect(() => pruneDecoder(plainDecoder(), cuts, { route })).toThrow(reason);
});
