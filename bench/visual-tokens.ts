// Milliseconds of a package's vision encoder with fewer tokens at its output, by every method, and with fewer pixels.
/*
 * Arguments: PACKAGE [--keep 0.5,0.25,0.11] [--rounds 15] [--threads 1]
 * The encoders run in turns, so that other load on the machine affects all of them alike. The share is that of the
 * whole encoder. The last column says how the configuration follows, or why it cannot.
 */
import { parseArgs } from 'node:util';
import type { HostTensor } from '../src/main/engine/executor.ts';
import type { Model } from '../src/main/engine/ir/model.ts';
import {
  featurePlace,
  refusalAfter,
  selectAfter,
  type FeaturePlace,
} from '../src/main/engine/structures/tokens/after.ts';
import { countConfigs, type ChangedConfigs } from '../src/main/engine/structures/tokens/counts.ts';
import type { TokenMethod } from '../src/main/engine/structures/tokens/method.ts';
import { fewerTiles, pixelConfigs } from '../src/main/engine/structures/tokens/pixel-configs.ts';
import { pixelPlace, shrinkPixels, smallerSizes } from '../src/main/engine/structures/tokens/pixels.ts';
import { TOKEN_METHODS } from '../src/main/engine/structures/tokens/registry.ts';
import { openPackage } from '../src/main/pipeline/prepare/open-package.ts';
import { createExecutor } from '../src/main/runtime/executor.ts';
import { collectFacts } from '../src/main/runtime/facts.ts';
import { randomFeeds } from '../src/main/runtime/random-inputs.ts';
import { median } from '../src/main/runtime/statistics.ts';
import { openModelFile } from '../src/main/storage/model-files.ts';

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    keep: { type: 'string', default: '0.5,0.25,0.11' },
    rounds: { type: 'string', default: '15' },
    threads: { type: 'string', default: '1' },
  },
});
const [folder] = positionals;
if (!folder) throw new Error('give the folder of a package');
const executor = createExecutor();

const pkg = openPackage(folder);
const encoder = pkg.components.find((c) => c.role === 'vision-encoder' || c.role === 'encoder');
if (!encoder) throw new Error('the package has no vision encoder');
const model = openModelFile(pkg.fileOf(encoder.id));
const dims = pkg.mainDims(encoder.id);
const facts = await collectFacts(model, executor, { dims });

interface Variant {
  readonly name: string;
  readonly tokens: number;
  readonly model: Model;
  readonly configs: ChangedConfigs | null;
}

const refusals = new Set<string>();
const place = featurePlace(model, facts);
const whole: Variant = { name: 'whole', tokens: 'refused' in place ? 0 : place.count, model, configs: null };
const variants = [whole, ...('refused' in place ? [] : byMethod(place)), ...byPixels()];
if ('refused' in place) refusals.add(`no selection: ${place.refused}`);

function byMethod(at: FeaturePlace): Variant[] {
  const free = at.count - at.fixed;
  return TOKEN_METHODS.flatMap((method) =>
    args.keep.split(',').flatMap((share): Variant[] => {
      const keep = nearest(method, at, Math.max(1, Math.round(Number(share) * free)));
      const refusal = refusalAfter(model, at, method, keep);
      if (refusal) refusals.add(`${method.name}: ${refusal}`);
      if (refusal) return [];
      const tokens = at.fixed + keep;
      const configs = countConfigs(pkg.shape.configs, { from: at.count, to: tokens });
      return [{ name: method.name, tokens, model: selectAfter(model, at, method, keep), configs }];
    }),
  );
}

/** The method's level next below a number of tokens. */
function nearest(method: TokenMethod, at: FeaturePlace, keep: number): number {
  return method.levels?.(at).findLast((level) => level <= keep) ?? keep;
}

function byPixels(): Variant[] {
  const pixels = pixelPlace(model, facts);
  for (const { tiles } of fewerTiles(pkg.shape.configs)) console.log(`tiles of a square picture: ${tiles}`);
  if ('refused' in pixels) refusals.add(`no smaller pictures: ${pixels.refused}`);
  if ('refused' in pixels) return [];
  const beside = whole.tokens - pixels.grid[0] * pixels.grid[1];
  return smallerSizes(pixels).map((size) => {
    const tokens = beside + (size[0] / pixels.patch[0]) * (size[1] / pixels.patch[1]);
    const configs = pixelConfigs(pkg.shape.configs, { from: pixels.size, to: size, tokens: { from: whole.tokens, to: tokens } }); // prettier-ignore
    return { name: `${size.join(' x ')} pixels`, tokens, model: shrinkPixels(model, facts, pixels, size), configs };
  });
}

for (const refusal of refusals) console.log(refusal);

const runs: (() => Promise<number>)[] = [];
for (const variant of variants) {
  const session = await executor.open(variant.model, { threads: Number(args.threads) });
  const shape = /^(\d+) x (\d+) pixels$/.exec(variant.name);
  const size: Record<string, number> = shape ? { height: Number(shape[1]), width: Number(shape[2]) } : {};
  const feeds: Record<string, HostTensor> = randomFeeds(variant.model, { dims: { ...dims, ...size } });
  await session.run(feeds);
  runs.push(async () => {
    const start = performance.now();
    await session.run(feeds);
    return performance.now() - start;
  });
}
const times = variants.map((): number[] => []);
for (let round = 0; round < Number(args.rounds); round++)
  for (const [i, run] of runs.entries()) times[i]!.push(await run());

for (const [i, { name, tokens, configs }] of variants.entries()) {
  const share = median(times[i]!.map((t, round) => t / times[0]![round]!));
  const how = !configs ? '' : 'refused' in configs ? configs.refused : Object.keys(configs.configs).join(', ') || 'no change'; // prettier-ignore
  console.log([name.padEnd(18), String(tokens).padStart(5), median(times[i]!).toFixed(2).padStart(9), share.toFixed(3).padStart(7), ` ${how}`].join(' ')); // prettier-ignore
}
