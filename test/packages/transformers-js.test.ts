/**
 * Packages whose pictures have fewer tokens, in transformers.js: it takes the changed configuration,
 * and its greedy answer has the tokens that a plain loop over the runtime gives.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ExecSession, HostTensor } from '../../src/main/engine/executor.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { featurePlace, selectAfter } from '../../src/main/engine/structures/tokens/after.ts';
import { countConfigs } from '../../src/main/engine/structures/tokens/counts.ts';
import { tokenMethod } from '../../src/main/engine/structures/tokens/registry.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import { plainExecutor } from '../support/executor.ts';

/** The parts of transformers.js that are used here. */
interface Library {
  readonly env: { allowRemoteModels: boolean; localModelPath: string };
  readonly AutoProcessor: Loader;
  readonly LlavaProcessor: Loader;
  readonly AutoModelForImageTextToText: Loader;
  readonly RawImage: new (data: Uint8ClampedArray, width: number, height: number, channels: number) => unknown;
}
interface Loader {
  from_pretrained(name: string, options?: object): Promise<unknown>;
}
interface Tensor {
  readonly dims: number[];
  readonly data: never;
  readonly type: string;
}
type Inputs = Readonly<Record<string, Tensor>>;

const packages = resolve(import.meta.dirname, '../../../shared/packages');
// A name that is not literal: the types of the library are not needed to check this file.
const name = ['@huggingface', 'transformers'].join('/');
const library = await import(/* @vite-ignore */ name).then((m) => m as Library, () => null); // prettier-ignore
const missing = !existsSync(packages) ? '../shared/packages is not here' : library ? null : `${name} is not installed`;

const folder = mkdtempSync(join(tmpdir(), 'secateur-tokens-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

/** A copy of a package whose encoder gives `keep` tokens per picture or tile. */
async function reduce(source: string, method: string, keep: number): Promise<string> {
  const target = `${source}-${method}-${keep}`;
  cpSync(join(packages, source), join(folder, target), { recursive: true });
  const file = join(folder, target, 'onnx/vision_encoder.onnx');
  const model = openModelFile(join(packages, source, 'onnx/vision_encoder.onnx'));
  const place = featurePlace(model, await collectFacts(model, plainExecutor));
  if ('refused' in place) throw new Error(place.refused);
  const names = ['config.json', 'processor_config.json', 'preprocessor_config.json'];
  const configs = Object.fromEntries(names.map((n) => [n, readJson(join(packages, source, n))]));
  const changed = countConfigs(configs, { from: place.count, to: place.fixed + keep });
  if ('refused' in changed) throw new Error(changed.refused);
  writeFileSync(file, serializeModel(selectAfter(model, place, tokenMethod(method)!, keep)));
  const decoder = openModelFile(join(packages, source, 'onnx/decoder_model_merged.onnx'));
  // transformers.js makes empty caches from the declared shapes, and of their symbols knows `batch_size` alone.
  for (const v of decoder.graph.inputs)
    if (v.name.startsWith('past_key_values'))
      v.type = { ...v.type!, shape: ['batch_size', ...v.type!.shape!.slice(1)] };
  writeFileSync(join(folder, target, 'onnx/decoder_model_merged.onnx'), serializeModel(decoder));
  for (const [n, config] of Object.entries(changed.configs)) writeFileSync(join(folder, target, n), JSON.stringify(config)); // prettier-ignore
  return target;
}

const TYPES: Readonly<Record<string, number>> = { float32: DType.FLOAT, int64: DType.INT64, bool: DType.BOOL };
const hostTensor = (t: Tensor): HostTensor => ({ dtype: TYPES[t.type]!, dims: t.dims, data: t.data });

/** The greedy answer by a plain loop: embeddings, features over the places of pictures, decoder with a cache. */
async function answer(target: string, inputs: Inputs, imageToken: number, tokens: number): Promise<number[]> {
  const open = (component: string): Promise<ExecSession> =>
    plainExecutor.openBytes(join(folder, target, `onnx/${component}.onnx`));
  const [encoder, embed] = [await open('vision_encoder'), await open('embed_tokens')];
  const decoder = await open('decoder_model_merged');
  const ids = Array.from(inputs['input_ids']!.data as BigInt64Array, Number);
  const given = Object.fromEntries(encoder.inputNames.map((n) => [n, hostTensor(inputs[n]!)]));
  const features = (await encoder.run(given))['image_features']!;
  const width = features.dims.at(-1)!;
  expect(ids.filter((id) => id === imageToken)).toHaveLength(features.data.length / width);
  const embedded = async (list: number[]): Promise<Float32Array> => {
    const input_ids = { dtype: DType.INT64, dims: [1, list.length], data: BigInt64Array.from(list, BigInt) };
    return Float32Array.from((await embed.run({ input_ids }))['inputs_embeds']!.data as Float32Array);
  };
  let rows = await embedded(ids);
  let at = 0;
  for (const [i, id] of ids.entries())
    if (id === imageToken) rows.set((features.data as Float32Array).subarray(at * width, ++at * width), i * width);

  const pasts = decoder.inputNames.filter((n) => n.startsWith('past_key_values'));
  const size = { heads: 2, width: 16 };
  let cache = Object.fromEntries(pasts.map((n): [string, HostTensor] => [n, { dtype: DType.FLOAT, dims: [1, size.heads, 0, size.width], data: new Float32Array(0) }])); // prettier-ignore
  const out: number[] = [];
  let past = 0;
  while (out.length < tokens) {
    const n = rows.length / width;
    const whole = (length: number, from: number, step: number): HostTensor => ({ dtype: DType.INT64, dims: [1, length], data: BigInt64Array.from({ length }, (_, i) => BigInt(from + i * step)) }); // prettier-ignore
    const feeds = {
      inputs_embeds: { dtype: DType.FLOAT, dims: [1, n, width], data: rows },
      attention_mask: whole(past + n, 1, 0),
      position_ids: whole(n, past, 1),
      ...cache,
    };
    const result = await decoder.run(feeds);
    const logits = result['logits']!;
    const last = Array.from((logits.data as Float32Array).subarray(-logits.dims.at(-1)!));
    out.push(last.indexOf(Math.max(...last)));
    cache = Object.fromEntries(pasts.map((n) => [n, result[n.replace('past_key_values', 'present')]!]));
    past += n;
    rows = await embedded([out.at(-1)!]);
  }
  await Promise.all([encoder, embed, decoder].map((s) => s.release()));
  return out;
}

/** A picture with edges and a gradient, so that tiles and patches differ. */
const picture = (): Uint8ClampedArray =>
  Uint8ClampedArray.from({ length: 128 * 128 * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % 128, Math.floor(i / 384)];
    return (x > 40 && x < 90 && y > 30 ? 220 : x + (i % 3) * 40) - y / 2;
  });

const ANSWER = 12;

describe.skipIf(missing !== null)('transformers.js runs packages with fewer tokens', () => {
  const { env, RawImage, AutoModelForImageTextToText, AutoProcessor, LlavaProcessor } = library ?? ({} as Library);

  it.each([
    ['smolvlm-decomposed', 'dpp', 8],
    ['smolvlm-decomposed', 'pool', 4],
    ['llava-decomposed', 'dpp', 24],
    ['llava-decomposed', 'pool', 16],
  ] as const)('%s, %s to %d', async (source, method, keep) => {
    const target = await reduce(source, method, keep);
    env.allowRemoteModels = false;
    env.localModelPath = folder;
    const image = new RawImage(picture(), 128, 128, 3);
    const text = '<image>what is red';
    const isLlava = source.startsWith('llava');
    type Call = (...args: unknown[]) => Promise<Inputs>;
    const processor = (await (isLlava ? LlavaProcessor : AutoProcessor).from_pretrained(target)) as Call;
    const inputs = await (isLlava ? processor(image, text) : processor(text, [image]));
    const options = { dtype: 'fp32', device: 'cpu' };
    const model = (await AutoModelForImageTextToText.from_pretrained(target, options)) as {
      generate(o: object): Promise<Tensor>;
      dispose(): Promise<unknown>;
    };
    const settings = { max_new_tokens: ANSWER, min_new_tokens: ANSWER, do_sample: false };
    const generated = await model.generate({ ...inputs, ...settings });
    const got = Array.from(generated.data as BigInt64Array, Number).slice(-ANSWER);
    const imageToken = 3;
    expect(got).toEqual(await answer(target, inputs, imageToken, ANSWER));
    // Without the changed configuration the numbers of places and rows differ.
    for (const n of ['config.json', 'processor_config.json'])
      cpSync(join(packages, source, n), join(folder, target, n));
    const old = (await (isLlava ? LlavaProcessor : AutoProcessor).from_pretrained(target)) as Call;
    const unchanged = await (isLlava ? old(image, text) : old(text, [image]));
    await expect(model.generate({ ...unchanged, ...settings })).rejects.toThrow('do not match');
    await model.dispose();
  });
});

it.skipIf(missing === null)(`skipped: ${missing}`, () => undefined);
