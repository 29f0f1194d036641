// Shared code of the benchmarks: runs the compress task in this process with a data folder of its
// own, and prints tables.
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CompressReport, CompressRequest, Quality, Recipe } from '../src/shared/model/job.ts';
import { PRESETS } from '../src/shared/model/recipes.ts';
import { parseBudget } from '../src/shared/model/budget.ts';
import { openDataset, type DatasetOptions } from '../src/main/data/dataset.ts';
import { resolvePreprocess } from '../src/main/data/preprocess.ts';
import { createExecutor } from '../src/main/runtime/executor.ts';
import { inputSpecs } from '../src/main/pipeline/prepare/model-data.ts';
import { compareModels } from '../src/main/pipeline/evaluate/evaluate.ts';
import { runCompress } from '../src/main/pipeline/compress.ts';
import { openWorker } from '../src/main/tasks/worker-resources.ts';
import { openModelFile } from '../src/main/storage/model-files.ts';
import { inSubprocess } from './in-subprocess.ts';

export const root = resolve(import.meta.dirname ?? '.', '..');
export const assets = resolve(root, '../shared/assets');
export const asset = (rel: string): string => join(assets, rel);
export const haveAssets = (): boolean => existsSync(assets);
const kept = process.env['SECATEUR_BENCH_HOME'] ?? join(root, 'out/bench');

export const cifar = {
  data: asset('data/cifar10_train_images.npy'),
  labels: asset('data/cifar10_train_labels.npy'),
  preprocess: asset('data/cifar10.preprocess.json'),
} as const;

export interface RunOptions {
  readonly model: string;
  readonly budget: string;
  readonly data?: string;
  readonly labels?: string;
  readonly preprocess?: string;
  readonly batch?: number;
  readonly threads?: number;
  readonly recipe?: Partial<Omit<Recipe, 'recovery'>>;
  readonly recovery?: Partial<Recipe['recovery']>;
  readonly seed?: number;
  readonly quiet?: boolean;
  /** Data folder; default: out/bench, whose cached results later runs use. */
  readonly home?: string;
}

/** Node runs this TypeScript file directly. */
export const sessionThread = join(root, 'src/main/session.ts');

let jobs = 0;

/** Runs one job in this process; measurements run in processes of their own, as in every job. */
export async function compress(o: RunOptions): Promise<CompressReport> {
  const home = o.home ?? kept;
  mkdirSync(home, { recursive: true });
  const recipe: Recipe = {
    ...PRESETS.balanced,
    ...o.recipe,
    recovery: { ...PRESETS.balanced.recovery, enabled: false, seconds: 0, ...o.recovery },
  };
  const request: CompressRequest = {
    model: o.model,
    budget: { ...parseBudget(o.budget), percentile: 50, batch: o.batch ?? 1, threads: o.threads ?? 1, provider: 'cpu' },
    device: 'local',
    ...(o.data && { data: o.data }),
    ...(o.labels && { labels: o.labels }),
    ...(o.preprocess && { preprocess: o.preprocess }),
    recipe,
    out: join(home, 'bundles'),
    seed: o.seed ?? 1,
  };
  const worker = await openWorker({ id: 'bench', task: 'compress', input: request, home }, sessionThread);
  let last = '';
  // Every run allocates anew; figures and scores come from the store.
  const job = `bench-${process.pid}-${++jobs}`;
  return runCompress(request, {
    ...worker.context,
    job,
    inSubprocess,
    point: () => undefined,
    log: (line) => void (o.quiet || console.error(`    ${line}`)),
    progress: (p) => {
      if (p.stage === last || o.quiet) return;
      last = p.stage;
      console.error(`    ${p.stage}: ${p.message}`);
    },
  });
}

/** Quality of a result on the CIFAR-10 test images, which no stage uses. */
export async function onTest(original: string, pruned: string): Promise<{ original: Quality; pruned: Quality }> {
  return compareOn(original, pruned, {
    data: asset('data/cifar10_test_images.npy'),
    labels: asset('data/cifar10_test_labels.npy'),
    preprocess: (await resolvePreprocess(original, cifar.preprocess)).preprocess,
  });
}

/** Quality of a result on any data. */
export async function compareOn(
  original: string,
  pruned: string,
  source: Pick<DatasetOptions, 'data' | 'labels' | 'preprocess'>,
): Promise<{ original: Quality; pruned: Quality }> {
  const model = openModelFile(original);
  const dataset = await openDataset({ ...source, inputs: inputSpecs(model) });
  try {
    return await compareModels(model, openModelFile(pruned), {
      executor: createExecutor(),
      dataset,
      threads: 2,
      batch: 100,
    });
  } finally {
    await dataset.close();
  }
}

export const percent = (x: number | undefined): string => (x === undefined ? '-' : (100 * x).toFixed(2));

/** Aligns columns; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((r) => (r[i] ?? '').length)));
  return rows
    .map((r) => r.map((c, i) => (i === 0 ? c.padEnd(widths[i]!) : c.padStart(widths[i]!))).join('  '))
    .join('\n');
}
