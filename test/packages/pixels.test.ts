/** Smaller pictures for the vision encoders of packages: they run, with as many tokens as patches. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verifyModel } from '../../src/main/engine/ir/verify.ts';
import { fewerTiles, pixelConfigs } from '../../src/main/engine/structures/tokens/pixel-configs.ts';
import { pixelPlace, shrinkPixels } from '../../src/main/engine/structures/tokens/pixels.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { randomFeeds } from '../../src/main/runtime/random-inputs.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import { plainExecutor } from '../support/executor.ts';

const folder = resolve(import.meta.dirname, '../../../shared/packages');
const has = existsSync(folder);
const readJson = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'));
const configsOf = (name: string): Record<string, unknown> =>
  Object.fromEntries(
    ['config.json', 'preprocessor_config.json', 'processor_config.json']
      .filter((n) => existsSync(join(folder, name, n)))
      .map((n) => [n, readJson(`${name}/${n}`)]),
  );

/** File, sizes of dynamic axes, output of tokens, tokens beside the patches. */
const ENCODERS: [string, Record<string, number>, string, number][] = [
  ['llava-decomposed/onnx/vision_encoder.onnx', { batch_size: 2 }, 'image_features', 0],
  ['vitgpt2-optimum/encoder_model.onnx', { batch_size: 2, num_channels: 3, height: 112, width: 112 }, 'last_hidden_state', 1], // prettier-ignore
  ['blip-caption/onnx/vision_model.onnx', { batch_size: 2 }, 'last_hidden_state', 1],
  ['clip-dual-optimum/onnx/vision_model.onnx', { batch_size: 2 }, 'last_hidden_state', 1],
];

describe.skipIf(!has)('vision encoders of packages', () => {
  it.each(ENCODERS)('%s', async (file, dims, output, beside) => {
    const model = openModelFile(join(folder, file));
    const facts = await collectFacts(model, plainExecutor, { dims });
    const place = pixelPlace(model, facts);
    if ('refused' in place) throw new Error(place.refused);
    const [rows, columns] = [place.grid[0] - 2, place.grid[1] - 3];
    const size = [rows * place.patch[0], columns * place.patch[1]] as const;
    const small = shrinkPixels(model, facts, place, size);
    verifyModel(small);
    const session = await plainExecutor.open(small);
    const feeds = randomFeeds(small, { dims: { ...dims, height: size[0], width: size[1] } });
    expect(feeds['pixel_values']!.dims.slice(2)).toEqual(size);
    const out = (await session.run(feeds))[output]!;
    await session.release();
    expect(out.dims.slice(0, 2)).toEqual([2, rows * columns + beside]);
    expect(Array.from(out.data, Number).every(Number.isFinite)).toBe(true);
    expect(small.graph.nodeCount, 'no node is added').toBeLessThanOrEqual(model.graph.nodeCount);
    const name = file.split('/')[0]!;
    const tokens = name.startsWith('llava') ? { tokens: { from: 64, to: rows * columns } } : {};
    expect(pixelConfigs(configsOf(name), { from: place.size, to: size, ...tokens })).toMatchObject({ notes: [] });
  });

  it('leaves the size of tiles, and takes fewer of them', async () => {
    const model = openModelFile(join(folder, 'smolvlm-decomposed/onnx/vision_encoder.onnx'));
    expect(pixelPlace(model, await collectFacts(model, plainExecutor))).toEqual({ refused: expect.stringContaining('takes tiles') }); // prettier-ignore
    expect(fewerTiles(configsOf('smolvlm-decomposed')).map((c) => c.tiles)).toEqual([1]);
  });

  it.each([
    ['qwen2vl-like/onnx/vision_encoder.onnx', 'does not take whole pictures'],
    ['llava-siglip-mobius/vision_encoder/model.onnx', 'is one operator'],
  ])('refuses %s', async (file, reason) => {
    const model = openModelFile(join(folder, file));
    expect(pixelPlace(model, await collectFacts(model, plainExecutor))).toEqual({ refused: expect.stringContaining(reason) }); // prettier-ignore
  });
});

it.skipIf(has)('skipped: ../shared/packages is not here', () => undefined);
