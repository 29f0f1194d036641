/** Inputs of the components while the original package answers, as data sets on which each component is pruned. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeNpy } from '../../data/npy.ts';
import { joinRows, type HostTensor } from '../../engine/executor.ts';
import { isCache } from '../../engine/families/named-inputs.ts';
import { partsOf } from '../../engine/generation/parts.ts';
import type { Model } from '../../engine/ir/model.ts';
import { openModelFile } from '../../storage/model-files.ts';
import type { StageContext } from '../context.ts';
import { askedLeaf, threadsLeaf } from '../leaves.ts';
import { dataInputs } from '../prepare/data-input.ts';
import { loadWithHash } from '../prepare/load.ts';
import { openRunner } from '../prepare/open-runner.ts';
import { input, stage } from '../stage.ts';
import { LastPicture } from '../tokens/compare-answers.ts';
import { recorderOf, type Feeds } from '../tokens/recover/recorder.ts';
import type { Reference, ReferenceOptions } from './reference.ts';

/** The recorded inputs of a component. */
export interface Recorded {
  /** Folder with an array per input, samples along the first axis. */
  readonly data: string;
  /** File that says that pictures are prepared already. */
  readonly preprocess: string;
}

interface Asked {
  readonly reference: Reference;
  readonly options: ReferenceOptions;
}

/** Most bytes of one component's inputs. */
const MOST_BYTES = 2 ** 28;
const PREPROCESS = 'preprocess.json';
const LIST = 'components.json';

/**
 * Recorded inputs by component, kept in the store, so that levels which were searched for with them are found again.
 * Pictures are those that the encoder takes. The decoder's are prompts with the original's answers behind them, read at
 * once; answers are repeated behind their end up to one length, where a causal decoder does not look.
 */
const recordedStage = stage({
  name: 'recorded-inputs',
  version: 1,
  inputs: { asked: input<Asked>(), threads: input<number>() },
  run: ({ asked }) => record(asked),
  codec: {
    write: async (folder, made: Awaited<ReturnType<typeof record>>) => {
      for (const [i, { model, samples }] of made.entries()) await write(samples, model, join(folder, String(i)));
      await writeFile(join(folder, LIST), JSON.stringify(made.map((m) => m.id)));
    },
    read: async (folder): Promise<ReadonlyMap<string, Recorded>> => {
      const ids = JSON.parse(await readFile(join(folder, LIST), 'utf8')) as string[];
      const at = (i: number): string => join(folder, String(i));
      return new Map(ids.map((id, i) => [id, { data: at(i), preprocess: join(at(i), PREPROCESS) }]));
    },
  },
});

/** @throws 'run-*' */
export async function recordInputs(
  reference: Reference,
  options: ReferenceOptions,
  ctx: Pick<StageContext, 'artifact'>,
): Promise<ReadonlyMap<string, Recorded>> {
  const asked = askedLeaf(await identityOf(reference, options), { reference, options });
  return (await recordedStage.run({ asked, threads: threadsLeaf(options.threads) }, ctx)).value;
}

async function identityOf({ answers }: Reference, { pkg, tokens }: ReferenceOptions): Promise<string> {
  const files = await Promise.all(pkg.components.map(async ({ id }) => [id, (await loadWithHash(pkg.fileOf(id))).sha256])); // prettier-ignore
  const asked = answers.map(({ question: { image, prompt } }) => {
    const file = image === undefined ? null : statSync(image);
    return [image, prompt, file?.size, file?.mtimeMs, file?.ctimeMs];
  });
  const { configs } = pkg.shape;
  return createHash('sha256').update(JSON.stringify({ files, asked, configs, tokens })).digest('hex');
}

/** A component and its feeds. */
interface Fed {
  readonly id: string;
  readonly model: Model;
  readonly samples: Samples;
}

async function record({ reference: { answers }, options }: Asked): Promise<Fed[]> {
  const { pkg, executor, provider, threads } = options;
  const parts = partsOf(pkg.shape);
  if (parts.kind === 'dual') throw new TypeError('a dual encoder writes no answers');
  const decoder = openModelFile(pkg.fileOf(parts.decoder.id));
  const recorder = recorderOf(executor, decoder);
  const runner = openRunner(pkg, { executor: recorder.executor, provider, threads, replaced: new Map([[parts.decoder.id, decoder]]) }); // prettier-ignore
  const pictures = new LastPicture(runner);
  const [encoder, decoded] = [new Samples(), new Samples()];
  const firsts: number[] = [];
  try {
    const seen = new Set<string>();
    for (const { question } of answers) {
      const image = await pictures.of(question.image);
      if (image && question.image !== undefined && !seen.has(question.image)) encoder.add(image.image.tensors);
      if (question.image !== undefined) seen.add(question.image);
      const { isImage } = await recorder.feeds(runner, { ...question, image }, []);
      firsts.push(isImage.length);
    }
    const length = Math.max(...firsts.map((first, i) => first + answers[i]!.ids.length));
    for (const [i, { question, ids }] of answers.entries()) {
      const behind = Array.from({ length: length - firsts[i]! }, (_, k) => ids[Math.min(k, ids.length - 1)]!);
      const { feeds } = await recorder.feeds(runner, { ...question, image: await pictures.of(question.image) }, behind);
      decoded.add(feeds);
    }
  } finally {
    await runner.close();
  }
  const fed: Fed[] = [{ id: parts.decoder.id, model: decoder, samples: decoded }];
  if (parts.encoder && encoder.count > 0)
    fed.unshift({ id: parts.encoder.id, model: openModelFile(pkg.fileOf(parts.encoder.id)), samples: encoder });
  return fed;
}

/** Feeds of the most common shapes. A data set has one shape. */
class Samples {
  readonly #byShape = new Map<string, { bytes: number; readonly feeds: Feeds[] }>();

  add(feeds: Feeds): void {
    const key = JSON.stringify(Object.entries(feeds).map(([name, t]) => [name, t.dims]));
    const group = this.#byShape.get(key) ?? { bytes: 0, feeds: [] };
    this.#byShape.set(key, group);
    group.bytes += Object.values(feeds).reduce((sum, t) => sum + t.data.byteLength, 0);
    if (group.bytes <= MOST_BYTES || group.feeds.length === 0) group.feeds.push(copied(feeds));
  }

  get count(): number {
    return this.#byShape.size;
  }

  get feeds(): readonly Feeds[] {
    return [...this.#byShape.values()].reduce((a, b) => (b.feeds.length > a.feeds.length ? b : a)).feeds;
  }
}

const copied = (feeds: Feeds): Feeds =>
  Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, { ...t, data: t.data.slice() as HostTensor['data'] }])); // prettier-ignore

/** Caches are left out, because they are empty. */
async function write(samples: Samples, model: Model, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const inputs = dataInputs(model);
  const { feeds } = samples;
  for (const input of inputs.inputs) {
    if (isCache(input) || !feeds[0]![input.name]) continue;
    const all = feeds.map((f) => f[input.name]!);
    await writeFile(join(folder, `${input.name}.npy`), encodeNpy(input.shared ? all[0]! : joinRows(all)));
  }
  await writeFile(join(folder, PREPROCESS), '{}');
}
