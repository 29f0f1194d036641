/** Decoders of ../shared/packages: tokens are dropped before every layer, or the reason why not. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { findDecoder } from '../../src/main/engine/structures/tokens/decoder/find.ts';
import { isSkipped } from '../../src/main/engine/structures/tokens/decoder/ports.ts';
import { pruneDecoder } from '../../src/main/engine/structures/tokens/decoder/prune.ts';
import type { TokenCut } from '../../src/main/engine/structures/tokens/decoder/stage.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import { compare } from '../support/decoder-oracle.ts';
import { answer, embeddings, ints, open, type Outputs, type Step } from '../support/decoder-runs.ts';

const shared = resolve(import.meta.dirname, '../../../shared');
const path = (file: string): string => join(shared, file);
const here = (file: string): boolean => existsSync(path(file));

/** File and number of layers. */
const DECODERS = [
  ['packages/smolvlm-decomposed/onnx/decoder_model_merged.onnx', 3],
  ['packages/smolvlm-gqa/onnx/decoder_model_merged.onnx', 3],
  ['packages/llava-decomposed/onnx/decoder_model_merged.onnx', 3],
  ['packages/llava-siglip-mobius/decoder/model.onnx', 2],
  ['assets/packages/stories260k/model.onnx', 5],
  ['cases/38_gqa_decoder.onnx', 2],
] as const;

const REFUSED = [
  ['packages/qwen2vl-like/onnx/decoder_model_merged.onnx', 'positions have 3 axes'],
  ['packages/lfm2moe-genai-qmoe-int4/model.onnx', 'input_ids, past.0.conv'],
  ['packages/gptoss-optimum-batched/model.onnx', 'window'],
  ['packages/vitgpt2-optimum/decoder_with_past_model.onnx', 'the input encoder_hidden_states'],
  ['packages/blip-caption/onnx/text_decoder_model.onnx', 'not concatenated with a cache'],
  ['assets/packages/digitgrid/decoder_model.onnx', 'not concatenated with a cache'],
] as const;

/** Three words, twenty image tokens, four words; then three words of an answer. */
const isImage = Array.from({ length: 27 }, (_, i) => i >= 3 && i < 23);
function stepsFor(model: Model): { prompt: Step; words: Step[] } {
  const decoder = findDecoder(model);
  if (isSkipped(decoder)) throw new Error(decoder.reason);
  const { tokens } = decoder;
  const some = (count: number, seed: number): Step['tokens'] =>
    tokens.type!.elemType === DType.FLOAT
      ? embeddings(count, tokens.type!.shape![2] as number, seed)
      : ints(
          Array.from({ length: count }, (_, i) => (7 * i + 31 * seed) % 60),
          [1, count],
        );
  const words = [2, 3, 4].map((seed) => ({ tokens: some(1, seed), image: [false] }));
  return { prompt: { tokens: some(27, 1), image: isImage }, words };
}

describe.each(DECODERS.filter(([file]) => here(file)))('%s', (file, layers) => {
  const model = openModelFile(path(file));

  it('every layer but the first may lose tokens', () => {
    const decoder = findDecoder(model);
    if (isSkipped(decoder)) throw new Error(`${decoder.operator}: ${decoder.reason}`);
    expect(decoder.layers.map((l) => l.blocked)).toEqual([
      'the first layer keeps the whole cache',
      ...Array<null>(layers - 1).fill(null),
    ]);
  });

  const single = Array.from({ length: layers - 1 }, (_, i): readonly TokenCut[] =>
    [{ layer: i + 1, keep: { ratio: 0.4 }, criterion: ['feather', 'fastv', 'pyramiddrop', 'uniform'][i % 4]! }],
  ); // prettier-ignore
  const twice = Array.from({ length: Math.min(2, layers - 1) }, (_, i): TokenCut => ({
    layer: i + 1,
    keep: { ratio: 0.5 / (i + 1) },
    criterion: 'pyramiddrop',
  }));
  it.each(
    [...single, twice].map((cuts) => [cuts.map((c) => `${c.criterion} before ${c.layer}`).join(', '), cuts] as const),
  )('%s: equals the masked decoder, and the answer equals a recomputation', async (_, cuts) => {
    const { prompt, words } = stepsFor(model);
    const { error, effect, left } = await compare(model, cuts, prompt, words);
    expect(error).toBeLessThan(1e-4);
    expect(effect).toBeGreaterThan(1e-3);
    expect(left[0]!.length).toBeLessThan(27);
  });

  it('keeping all tokens, and text alone, change no bit', async () => {
    const { prompt, words } = stepsFor(model);
    const cut = (ratio: number): Model =>
      pruneDecoder(model, [{ layer: 1, keep: { ratio }, criterion: 'feather' }], { route: { route: 'input' } });
    const runs = await Promise.all([open(model), open(cut(1)), open(cut(0.5))]);
    const [original, all, half] = runs as [(typeof runs)[0], (typeof runs)[0], (typeof runs)[0]];
    const same = (a: readonly Outputs[], b: readonly Outputs[]): void => {
      for (const [i, outputs] of a.entries())
        for (const [name, t] of Object.entries(outputs)) expect(t, name).toEqual(b[i]![name]);
    };
    same(await answer(original, [prompt, ...words]), await answer(all, [prompt, ...words]));
    const text = { ...prompt, image: isImage.map(() => false) };
    same(await answer(original, [text, ...words]), await answer(half, [text, ...words]));
    await Promise.all(runs.map((r) => r.release()));
  });
});

it.each(REFUSED.filter(([file]) => here(file)))('%s is refused: %s', (file, reason) => {
  const decoder = findDecoder(openModelFile(path(file)));
  if (!isSkipped(decoder)) throw new Error('it was found');
  expect(decoder.reason).toContain(reason);
});

it.skipIf(here('packages'))('skipped: ../shared/packages is not here', () => undefined);
