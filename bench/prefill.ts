// Prefill with fewer image tokens against its multiply-accumulates: how much of the promised saving is measured.
/*
 * Arguments: [PACKAGE...] [--removed 50,75,90] [--methods stride,decoder-feather] [--prompt 8] [--threads 1] [--seconds 60]
 * Default: both exports of the sample. Tokens are selected behind the encoder (`stride`: the time does not depend on
 * which ones stay) and inside the decoder. All decoders run in turns, so that other load affects them alike. `original`
 * is the speed-up of the unchanged decoder whose prompt has as many tokens; of several prompts, each for the share of the
 * layers that read so many. It reaches the work saved as little as small products and fixed times let it.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { imageNoteOf } from '../src/main/engine/families/image-tokens.ts';
import { modelCosts } from '../src/main/engine/ir/costs.ts';
import type { Model } from '../src/main/engine/ir/model.ts';
import { findDecoder } from '../src/main/engine/structures/tokens/decoder/find.ts';
import { isSkipped } from '../src/main/engine/structures/tokens/decoder/ports.ts';
import { useOf, withModels } from '../src/main/pipeline/prepare/open-package.ts';
import { InsideMethods } from '../src/main/pipeline/tokens/inside.ts';
import { imagesPerPicture, keptOf, openSubject } from '../src/main/pipeline/tokens/subject.ts';
import { makeVariants, type Variant } from '../src/main/pipeline/tokens/variants.ts';
import { benchmark } from '../src/main/runtime/bench.ts';
import { createExecutor } from '../src/main/runtime/executor.ts';
import { collectFacts } from '../src/main/runtime/facts.ts';
import { randomFeeds } from '../src/main/runtime/random-inputs.ts';
import { openModelFile } from '../src/main/storage/model-files.ts';
import { root, table } from './support.ts';

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    removed: { type: 'string', default: '50,75,90' },
    methods: { type: 'string', default: 'stride,decoder-uniform,decoder-feather,decoder-fastv' },
    prompt: { type: 'string', default: '8' },
    threads: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '60' },
  },
});
/** The least share of the saved work that must be measured. */
const LEAST = 0.9;
const executor = createExecutor();

interface Prefill {
  readonly name: string;
  readonly how: string;
  readonly model: Model;
  readonly dims: Readonly<Record<string, number>>;
  /** Image tokens that layers read, with the share of these layers. */
  readonly read: readonly { readonly image: number; readonly share: number }[];
}

/** Image tokens in front of the first cut and behind each one. */
function readBy(model: Model, image: number, layers: number): Prefill['read'] {
  const cuts = [{ layer: 0, left: 1 }, ...(imageNoteOf(model)?.cuts ?? [])];
  return cuts.map(({ layer, left }, i) => ({
    image: Math.ceil(left * image - 1e-6),
    share: ((cuts[i + 1]?.layer ?? layers) - layer) / layers,
  }));
}

async function prefills(folder: string): Promise<Prefill[]> {
  const subject = await openSubject(folder, {}, executor);
  const { pkg, place } = subject;
  const decoder = pkg.components.find((c) => c.role === 'decoder')!;
  const whole = openModelFile(pkg.fileOf(decoder.id));
  const dimsOf = (image: number, models: ReadonlyMap<string, Model>): Readonly<Record<string, number>> =>
    useOf(withModels(pkg.shape, models), { settings: { image, prompt: Number(args.prompt) } }).phases.find((p) => p.name === 'prefill')!.dims; // prettier-ignore
  const decoded = findDecoder(whole);
  const layers = isSkipped(decoded) ? 1 : decoded.layers.length;
  const count = imagesPerPicture(subject, pkg.shape.configs) * place.count;
  const found: Prefill[] = [{ name: 'original', how: `${count} image tokens`, model: whole, dims: dimsOf(count, new Map()), read: [{ image: count, share: 1 }] }]; // prettier-ignore
  const ofVariant = ({ method, models, prompt, tokens, how }: Variant, removed: string): Prefill => {
    const model = models.get(decoder.id) ?? whole;
    return {
      name: `${method} ${removed}`,
      how: how ?? `${tokens} in every layer`,
      model,
      dims: dimsOf(prompt, models),
      read: readBy(model, prompt, layers),
    };
  };
  for (const percent of args.removed.split(',').map(Number)) {
    const keep = keptOf(subject, { share: 1 - percent / 100 });
    const inside = new InsideMethods(subject, { layers: null, marks: null });
    for (const made of await makeVariants(subject, args.methods.split(','), keep, executor, inside))
      if ('refused' in made) console.log(`${made.method}: ${made.refused}`);
      else found.push(ofVariant(made, `${percent} %`));
  }
  const lengths = new Set(found.flatMap((f) => f.read.map((r) => r.image)));
  lengths.delete(count);
  for (const image of lengths)
    found.push({ name: `original, ${image}`, how: `${image} image tokens`, model: whole, dims: dimsOf(image, new Map()), read: [{ image, share: 1 }] }); // prettier-ignore
  return found;
}

for (const folder of positionals.length > 0
  ? positionals
  : ['scenes-vlm', 'scenes-vlm-gqa'].map((name) => join(root, 'resources/samples', name))) {
  const all = await prefills(folder);
  const macs: number[] = [];
  for (const { model, dims } of all) macs.push(modelCosts(model, await collectFacts(model, executor, { dims })).macs);
  const seconds = Number(args.seconds);
  const results = await benchmark(
    all.map(({ name, model, dims }) => ({ name, model, feeds: randomFeeds(model, { dims }) })),
    { threads: Number(args.threads), runs: 60, precision: 0, minSeconds: seconds, maxSeconds: seconds, whole: true },
  );
  console.log(`\n${folder}: prefill of ${results[0]!.stats.p50Ms.toFixed(2)} ms, ${(macs[0]! / 1e6).toFixed(1)} million multiply-accumulates`); // prettier-ignore
  const timeOf = new Map(all.flatMap(({ model, read }, i) => (model === all[0]!.model ? [[read[0]!.image, results[i]!.ratio.value] as const] : []))); // prettier-ignore
  const rows = all.map(({ name, how, read }, i) => {
    const ceiling = 1 / read.reduce((sum, { image, share }) => sum + share * timeOf.get(image)!, 0);
    const [work, speed] = [macs[0]! / macs[i]!, 1 / results[i]!.ratio.value];
    return [
      name,
      work.toFixed(2),
      speed.toFixed(2),
      (speed / work).toFixed(2),
      ceiling.toFixed(2),
      (speed / ceiling).toFixed(2),
      speed / work >= LEAST ? 'yes' : 'no',
      how,
    ];
  });
  console.log(
    table([
      ['method, removed', 'less work', 'faster', 'share', 'original', 'share of it', `at least ${LEAST}`, 'left'],
      ...rows,
    ]),
  );
}
