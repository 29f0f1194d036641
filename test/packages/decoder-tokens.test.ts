/** Decoders of ../shared/packages: tokens are dropped before every layer, or the reason why not. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { DECODER_CRITERIA } from '../../src/main/engine/structures/tokens/decoder/criteria/registry.ts';
import { findDecoder } from '../../src/main/engine/structures/tokens/decoder/find.ts';
import { appendFlag, appendMergedFlag } from '../../src/main/engine/structures/tokens/decoder/image-mask.ts';
import { isSkipped } from '../../src/main/engine/structures/tokens/decoder/ports.ts';
import { pruneDecoder } from '../../src/main/engine/structures/tokens/decoder/prune.ts';
import type { TokenCut } from '../../src/main/engine/structures/tokens/decoder/stage.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { compare } from '../support/decoder-oracle.ts';
import { answer, embeddings, ints, open, type Outputs, type Step } from '../support/decoder-runs.ts';
import { runOnce } from '../support/prune.ts';

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
  ['packages/vitgpt2-optimum/decoder_model_merged.onnx', 'outside of branches'],
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

it.skipIf(!here('packages/smolvlm-gqa'))('both exports of one model keep the same tokens', async () => {
  const first = (name: string): string => path(`packages/smolvlm-${name}/onnx/decoder_model_merged.onnx`);
  const models = ['decomposed', 'gqa'].map((name) => openModelFile(first(name)));
  const { prompt } = stepsFor(models[0]!);
  for (const criterion of DECODER_CRITERIA.map((c) => c.name)) {
    const cuts: TokenCut[] = [1, 2].map((layer) => ({ layer, keep: { ratio: 0.5 / layer }, criterion }));
    const kept = await Promise.all(
      models.map(async (model) => {
        const run = await open(pruneDecoder(model, cuts, { route: { route: 'input' }, report: true }));
        const out = await run.step(prompt);
        await run.release();
        return cuts.map((c) => out[`kept_tokens.${c.layer}`]!.data);
      }),
    );
    expect(kept[0], criterion).toEqual(kept[1]);
  }
});

describe.skipIf(!here('packages/smolvlm-decomposed'))('the channel that marks image tokens', () => {
  const part = (name: string): Model => openModelFile(path(`packages/${name}`));
  const run = async (model: Model, feeds: Record<string, HostTensor>): Promise<HostTensor> =>
    (await runOnce(model, feeds))[model.graph.outputs[0]!.name]!;
  /** Rows of a marked tensor, with and without their mark. */
  const rowsOf = ({ data, dims }: HostTensor): { mark: number; row: number[] }[] => {
    const width = dims.at(-1)!;
    const all = Array.from(data as Float32Array);
    return Array.from({ length: all.length / width }, (_, i) => all.slice(i * width, (i + 1) * width)).map((row) => ({
      mark: row.pop()!,
      row,
    }));
  };

  it('is appended to embeddings and image features', async () => {
    const ids = { input_ids: ints([5, 6, 7], [1, 3]) };
    const pixels = {
      pixel_values: { ...embeddings(3 * 128, 128, 1), dims: [1, 1, 3, 128, 128] },
      pixel_attention_mask: { dtype: DType.BOOL, dims: [1, 1, 128, 128], data: new Uint8Array(128 * 128).fill(1) },
    };
    for (const [name, flag, feeds] of [
      ['embed_tokens', 0, ids],
      ['vision_encoder', 1, pixels],
    ] as const) {
      const model = part(`smolvlm-decomposed/onnx/${name}.onnx`);
      const before = await run(model, feeds);
      appendFlag(model, flag);
      const rows = rowsOf(await run(model, feeds));
      expect(rows.every((r) => r.mark === flag)).toBe(true);
      expect(rows.flatMap((r) => r.row)).toEqual(Array.from(before.data as Float32Array));
    }
  });

  it('is 1 where an embedding merges the image', async () => {
    const model = part('llava-siglip-mobius/embedding/model.onnx');
    const features = model.graph.findValue('image_features')!;
    const config = JSON.parse(readFileSync(path('packages/llava-siglip-mobius/config.json'), 'utf8')) as Record<
      string,
      number
    >;
    const image = config['image_token_index'] ?? config['image_token_id']!;
    const feeds = {
      input_ids: ints([1, image, image, 3], [1, 4]),
      image_features: { ...embeddings(2, 64, 1), dims: [2, 64] },
    };
    const before = await run(model, feeds);
    appendMergedFlag(model, features);
    const rows = rowsOf(await run(model, feeds));
    expect(rows.map((r) => r.mark)).toEqual([0, 1, 1, 0]);
    expect(rows.flatMap((r) => r.row)).toEqual(Array.from(before.data as Float32Array));
  });
});

it.each(REFUSED.filter(([file]) => here(file)))('%s is refused: %s', (file, reason) => {
  const decoder = findDecoder(openModelFile(path(file)));
  if (!isSkipped(decoder)) throw new Error('it was found');
  expect(decoder.reason).toContain(reason);
});

it.skipIf(here('packages'))('skipped: ../shared/packages is not here', () => undefined);
