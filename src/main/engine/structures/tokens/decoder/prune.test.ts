import { describe, expect, it } from 'vitest';
import { answer, embeddings, gap, open, rowOf, type Outputs } from '../../../../../../test/support/decoder-runs.ts';
import { fusedDecoder, plainDecoder, SMALL, toHalf } from '../../../../../../test/support/small-decoder.ts';
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
  ['an older operator set', plainDecoder({ opset: 13, odd: 'counted positions' })],
  ...(['three inputs', 'positions outside', 'positions as an input', 'MultiHeadAttention', 'Attention'] as const).map(
    (form) => [form, fusedDecoder({ form })] as const,
  ),
];
const cut = (layer: number, ratio: number, criterion = 'uniform'): TokenCut => ({ layer, keep: { ratio }, criterion });
const PLANS: readonly (readonly [string, readonly TokenCut[], kept: readonly number[]])[] = [
  ['uniform', [cut(1, 0.5)], [11]],
  ['random', [{ ...cut(2, 0.25, 'random'), seed: 3 }], [8]],
  ['a number of tokens', [{ layer: 3, keep: { count: 5 }, criterion: 'fastv' }], [10]],
  ['feather in two steps', [{ ...cut(1, 0.3, 'feather'), columns: 4 }, cut(2, 0.09, 'feather')], [-1, 6]],
  ['pyramiddrop in three steps', [1, 2, 3].map((layer) => cut(layer, 0.5 ** layer, 'pyramiddrop')), [11, 8, 6]],
  ['no image token left', [cut(2, 0)], [5]],
];

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

  it('keeping all, and text alone, change no bit', async () => {
    const original = await open(model);
    const text = { ...prompt, image: isImage.map(() => false) };
    const [whole, alone] = [await answer(original, [prompt, ...words]), await answer(original, [text, ...words])];
    const names = DECODER_CRITERIA.map((c) => c.name);
    for (const part of [names.slice(0, 3), names.slice(3)]) {
      const cuts = (ratio: number): TokenCut[] => part.map((criterion, i) => cut(i + 1, ratio, criterion));
      const [all, half] = await Promise.all([1, 0.5].map((r) => open(pruneDecoder(model, cuts(r), { route }))));
      same(await answer(all!, [prompt, ...words]), whole);
      same(await answer(half!, [text, ...words]), alone);
      await Promise.all([all!.release(), half!.release()]);
    }
    await original.release();
  });

  it('a second image, in a later turn', async () => {
    const second = { tokens: embeddings(9, SMALL.width, 7), image: Array.from({ length: 9 }, (_, i) => i < 6) };
    const { error } = await compare(model, [cut(1, 0.5, 'fastv'), cut(3, 0.25, 'pyramiddrop')], prompt, [
      words[0]!,
      second,
      words[1]!,
    ]);
    expect(error).toBeLessThan(1e-4);
  });
});

it.each(VARIANTS)('%s: equals the masked decoder', async (_name, model) => {
  const { error, effect } = await compare(model, [cut(1, 0.5, 'feather'), cut(3, 0.25, 'pyramiddrop')], prompt, words);
  expect(error).toBeLessThan(1e-4);
  expect(effect).toBeGreaterThan(1e-2);
});

it.each([
  ['single operators', toHalf(plainDecoder({ layers: 3 }))],
  ['GroupQueryAttention', toHalf(fusedDecoder({ layers: 3 }))],
])('half precision, %s: equals the masked decoder', async (_name, model) => {
  for (const criterion of ['feather', 'pyramiddrop']) {
    const { error, effect } = await compare(model, [cut(1, 0.5, criterion), cut(2, 0.25, 'fastv')], prompt, words);
    expect(error).toBeLessThan(0.01);
    expect(effect).toBeGreaterThan(4 * error);
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

it('cuts add few operators, because every step of the answer runs them', () => {
  const added = (model: Model, cuts: readonly TokenCut[]): number =>
    pruneDecoder(model, cuts, { route }).graph.nodeCount - model.graph.nodeCount;
  const feather = [cut(1, 0.5, 'feather'), cut(3, 0.25, 'feather')];
  expect(added(plainDecoder(), feather)).toBeLessThanOrEqual(130);
  // With the parts of packed inputs and their rotation.
  expect(added(fusedDecoder(), feather)).toBeLessThanOrEqual(160);
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
