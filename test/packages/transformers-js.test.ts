/**
 * Packages whose pictures have fewer tokens or pixels, in transformers.js: it takes the changed configuration,
 * and its greedy answer has the tokens that a plain loop over the runtime gives.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ExecSession, HostTensor } from '../../src/main/engine/executor.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Facts } from '../../src/main/engine/ir/facts.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { appendFlag } from '../../src/main/engine/structures/tokens/decoder/image-mask.ts';
import { pruneDecoder } from '../../src/main/engine/structures/tokens/decoder/prune.ts';
import type { TokenCut } from '../../src/main/engine/structures/tokens/decoder/stage.ts';
import { featurePlace, selectAfter } from '../../src/main/engine/structures/tokens/after.ts';
import { countConfigs, type ChangedConfigs, type Configs } from '../../src/main/engine/structures/tokens/counts.ts';
import { fewerTiles, pixelConfigs } from '../../src/main/engine/structures/tokens/pixel-configs.ts';
import { pixelPlace, shrinkPixels } from '../../src/main/engine/structures/tokens/pixels.ts';
import { tokenMethod } from '../../src/main/engine/structures/tokens/registry.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import { plainExecutor } from '../support/executor.ts';
import { untimedTokens } from '../support/untimed-tokens.ts';

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
interface Generator {
  generate(o: object): Promise<Tensor>;
  dispose(): Promise<unknown>;
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

interface Change {
  readonly configs: ChangedConfigs;
  readonly model: Model;
}

/** A copy of a package with another encoder and the configuration for it. */
async function change(
  source: string,
  name: string,
  make: (model: Model, facts: Facts, configs: Configs) => Change,
): Promise<string> {
  // prettier-ignore
  const target = `${source}-${name}`;
  cpSync(join(packages, source), join(folder, target), { recursive: true });
  const model = openModelFile(join(packages, source, 'onnx/vision_encoder.onnx'));
  const names = ['config.json', 'processor_config.json', 'preprocessor_config.json'];
  const configs = Object.fromEntries(names.map((n) => [n, readJson(join(packages, source, n))]));
  const made = make(model, await collectFacts(model, plainExecutor), configs);
  if ('refused' in made.configs) throw new Error(made.configs.refused);
  writeFileSync(join(folder, target, 'onnx/vision_encoder.onnx'), serializeModel(made.model));
  for (const [n, config] of Object.entries(made.configs.configs)) writeFileSync(join(folder, target, n), JSON.stringify(config)); // prettier-ignore
  const decoder = openModelFile(join(packages, source, 'onnx/decoder_model_merged.onnx'));
  // transformers.js makes empty caches from the declared shapes, and of their symbols knows `batch_size` alone.
  for (const v of decoder.graph.inputs)
    if (v.name.startsWith('past_key_values'))
      v.type = { ...v.type!, shape: ['batch_size', ...v.type!.shape!.slice(1)] };
  writeFileSync(join(folder, target, 'onnx/decoder_model_merged.onnx'), serializeModel(decoder));
  return target;
}

/** Fewer tokens behind the projector. */
const reduce = (source: string, method: string, keep: number): Promise<string> =>
  change(source, `${method}-${keep}`, (model, facts, configs) => {
    const place = featurePlace(model, facts);
    if ('refused' in place) throw new Error(place.refused);
    return {
      configs: countConfigs(configs, { from: place.count, to: place.fixed + keep }),
      model: selectAfter(model, place, tokenMethod(method)!, keep),
    };
  });

/** Fewer tokens behind layers of the decoder. Embeddings and features mark the image tokens by one more channel. */
async function dropInside(source: string, cuts: readonly TokenCut[]): Promise<string> {
  const target = await change(source, `inside-${cuts[0]!.criterion}`, (model, _, configs) => {
    appendFlag(model, 1);
    // The same number, as transformers.js counts it.
    const count = source.startsWith('llava') ? 64 : 16;
    return { configs: countConfigs(configs, { from: count, to: count }), model };
  });
  const edit = (component: string, make: (model: Model) => Model): void => {
    const file = join(folder, target, `onnx/${component}.onnx`);
    writeFileSync(file, serializeModel(make(openModelFile(file))));
  };
  edit('embed_tokens', (model) => (appendFlag(model, 0), model));
  edit('decoder_model_merged', (model) => pruneDecoder(model, cuts, { route: { route: 'flag' } }));
  return target;
}

/** The package that `secateur tokens` writes. It must say that transformers.js runs it. */
async function written(source: string, method: string, keep: number): Promise<string> {
  const target = `${source}-${method}-${keep}`;
  const report = await untimedTokens({ package: join(packages, source), method, keep, out: join(folder, target) });
  expect(report.marks).toMatchObject({ route: 'flag', runs: ['Secateur', 'transformers.js'] });
  return target;
}

/** Smaller pictures. */
const shrink = (source: string, side: number): Promise<string> =>
  change(source, `${side}-pixels`, (model, facts, configs) => {
    const place = pixelPlace(model, facts);
    if ('refused' in place) throw new Error(place.refused);
    const tokens = { from: place.grid[0] * place.grid[1], to: (side / place.patch[0]) * (side / place.patch[1]) };
    return {
      configs: pixelConfigs(configs, { from: place.size, to: [side, side], tokens }),
      model: shrinkPixels(model, facts, place, [side, side]),
    };
  });

/** One tile per picture. */
const oneTile = (source: string): Promise<string> =>
  change(source, 'one-tile', (model, _, configs) => ({ configs: { configs: fewerTiles(configs).at(-1)!.configs, notes: [] }, model })); // prettier-ignore

const TYPES: Readonly<Record<string, number>> = { float32: DType.FLOAT, int64: DType.INT64, bool: DType.BOOL };
const hostTensor = (t: Tensor): HostTensor => ({ dtype: TYPES[t.type]!, dims: t.dims, data: t.data });

/** The greedy answer by a plain loop: embeddings, features over the places of pictures, decoder with a cache. */
async function answer(target: string, inputs: Inputs, tokens: number): Promise<number[]> {
  const open = (component: string): Promise<ExecSession> =>
    plainExecutor.openBytes(join(folder, target, `onnx/${component}.onnx`));
  const [encoder, embed] = [await open('vision_encoder'), await open('embed_tokens')];
  const decoder = await open('decoder_model_merged');
  const ids = Array.from(inputs['input_ids']!.data as BigInt64Array, Number);
  const given = Object.fromEntries(encoder.inputNames.map((n) => [n, hostTensor(inputs[n]!)]));
  const features = (await encoder.run(given))['image_features']!;
  const width = features.dims.at(-1)!;
  expect(ids.filter((id) => id === IMAGE_TOKEN)).toHaveLength(features.data.length / width);
  const embedded = async (list: number[]): Promise<Float32Array> => {
    const input_ids = { dtype: DType.INT64, dims: [1, list.length], data: BigInt64Array.from(list, BigInt) };
    return Float32Array.from((await embed.run({ input_ids }))['inputs_embeds']!.data as Float32Array);
  };
  let rows = await embedded(ids);
  let at = 0;
  for (const [i, id] of ids.entries())
    if (id === IMAGE_TOKEN) rows.set((features.data as Float32Array).subarray(at * width, ++at * width), i * width);

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

const cut = (criterion: string, layer: number, ratio: number): TokenCut => ({ layer, keep: { ratio }, criterion });

const ANSWER = 8;
const SETTINGS = { max_new_tokens: ANSWER, min_new_tokens: ANSWER, do_sample: false };
const IMAGE_TOKEN = 3;

describe.skipIf(missing !== null)('transformers.js runs changed packages', () => {
  const { env, RawImage, AutoModelForImageTextToText, AutoProcessor, LlavaProcessor } = library ?? ({} as Library);

  type Call = (...args: unknown[]) => Promise<Inputs>;
  /** Inputs for a picture and a prompt. */
  async function prepare(target: string): Promise<Inputs> {
    env.allowRemoteModels = false;
    env.localModelPath = folder;
    const image = new RawImage(picture(), 128, 128, 3);
    const text = '<image>what is red';
    const isLlava = target.startsWith('llava');
    const processor = (await (isLlava ? LlavaProcessor : AutoProcessor).from_pretrained(target)) as Call;
    return isLlava ? processor(image, text) : processor(text, [image]);
  }

  const load = (target: string): Promise<Generator> =>
    AutoModelForImageTextToText.from_pretrained(target, { dtype: 'fp32', device: 'cpu' }) as Promise<Generator>;

  it.each([
    ['smolvlm-decomposed, dpp to 8', 5 * 8, () => reduce('smolvlm-decomposed', 'dpp', 8)],
    ['smolvlm-decomposed, pool to 4', 5 * 4, () => reduce('smolvlm-decomposed', 'pool', 4)],
    ['smolvlm-decomposed, one tile', 16, () => oneTile('smolvlm-decomposed')],
    ['llava-decomposed, dpp to 24', 24, () => reduce('llava-decomposed', 'dpp', 24)],
    ['llava-decomposed, pool to 16', 16, () => reduce('llava-decomposed', 'pool', 16)],
    [
      'smolvlm-decomposed, inside the decoder',
      5 * 16,
      () => dropInside('smolvlm-decomposed', [cut('pyramiddrop', 1, 0.5), cut('pyramiddrop', 2, 0.25)]),
    ],
    [
      'llava-decomposed, inside the decoder',
      64,
      () => dropInside('llava-decomposed', [cut('feather', 1, 0.3), cut('feather', 2, 0.09)]),
    ],
    ['smolvlm-decomposed, as written by tokens', 5 * 16, () => written('smolvlm-decomposed', 'decoder-feather', 4)],
    ['llava-decomposed, 84 x 84 pixels', 36, () => shrink('llava-decomposed', 84)],
  ] as const)('%s', async (_, places, make) => {
    const target = await make();
    const inputs = await prepare(target);
    const ids = Array.from(inputs['input_ids']!.data as BigInt64Array, Number);
    expect(ids.filter((id) => id === IMAGE_TOKEN)).toHaveLength(places);
    const model = await load(target);
    const generated = await model.generate({ ...inputs, ...SETTINGS });
    const got = Array.from(generated.data as BigInt64Array, Number).slice(-ANSWER);
    expect(got).toEqual(await answer(target, inputs, ANSWER));
    await model.dispose();
  });

  it('refuses a package with the configuration of another number', async () => {
    const target = await reduce('llava-decomposed', 'stride', 20);
    const processor = join(folder, target, 'processor_config.json');
    const config = readJson(processor) as Record<string, number>;
    writeFileSync(processor, JSON.stringify({ ...config, num_additional_image_tokens: 0 }));
    const model = await load(target);
    const inputs = await prepare(target);
    await expect(model.generate({ ...inputs, ...SETTINGS })).rejects.toThrow('do not match');
    await model.dispose();
  });
});

it.skipIf(missing === null)(`skipped: ${missing}`, () => undefined);
