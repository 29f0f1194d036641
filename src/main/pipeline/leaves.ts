/**
 * The values that keys begin with, each kind of them keyed in one place: what tells a model file, a data set, a part of the
 * recipe, the machine or a seed from another. Everything else gets its key from these (stage.ts).
 */
import { createHash } from 'node:crypto';
import type { CompressRequest, Recipe } from '../../shared/model/job.ts';
import type { Budget, DeviceProfile, Plan } from '../../shared/model/types.ts';
import type { Dataset } from '../data/dataset.ts';
import { keyOf, type Candidate } from '../engine/allocation/fit-budget.ts';
import type { Model } from '../engine/ir/model.ts';
import { writeModelChunks } from '../engine/onnx/index.ts';
import type { TimedPhase } from '../engine/latency/phases.ts';
import { meaningsKey, type Meanings } from '../engine/quality/meaning.ts';
import { localDevice, runtimeVersion } from '../runtime/device.ts';
import type { SettledSizes } from '../runtime/settle-sizes.ts';
import { leaf, type Keyed } from './stage.ts';

/** A model file by its contents. */
export const fileLeaf = <T extends { readonly sha256: string }>(file: T): Keyed<T> => leaf('file', file.sha256, file);

/** A model by the contents of its files and the sizes that it runs at; a batch size counts where it is fixed. */
export const modelLeaf = (
  model: Model,
  { sha256, sizes, fixedBatch, batch }: { readonly sha256: string } & Omit<SettledSizes, 'guessed'>,
): Keyed<Model> => leaf('model', { sha256, sizes, batch: fixedBatch ? batch : null }, model);

/** A graph by its structure and its small tensors: what is larger than 4 KiB is told by the model that it was made of. */
export const graphLeaf = (model: Model): Keyed<Model> => leaf('graph', structureOf(model), model);

/** sha256 of everything but the contents of large tensors. */
export function structureOf(model: Model): string {
  const hash = createHash('sha256');
  const { model: chunks } = writeModelChunks(model, { externalData: { location: 'weights', thresholdBytes: 4096 } });
  for (const c of chunks) hash.update(c);
  return hash.digest('hex');
}

/** A data set by its files, labels and preprocessing (data/identity.ts); null: no data were given. */
export const dataLeaf = (dataset: Dataset | null): Keyed<Dataset | null> =>
  leaf('data', dataset?.identity ?? null, dataset);

/** Sizes of axes by name, or shapes of samples by input. */
export const sizesLeaf = <T extends number | readonly number[]>(
  sizes: Readonly<Record<string, T>>,
): Keyed<Readonly<Record<string, T>>> => leaf('sizes', sizes, sizes);

/** The sizes and weights that a latency is the sum of. */
export const phasesLeaf = (phases: readonly TimedPhase[]): Keyed<readonly TimedPhase[]> =>
  leaf(
    'phases',
    phases.map(({ dims, weight }) => ({ dims, weight })),
    phases,
  );

/** One of several phases, by its place and its sizes; null: the sizes that the model was prepared at. */
export const phaseLeaf = (phase: PhaseAt | null): Keyed<PhaseAt | null> => leaf('phase', phase, phase);
export interface PhaseAt {
  readonly place: number;
  readonly dims: TimedPhase['dims'];
}

/** How outputs are read, as far as results depend on it. */
export const meaningsLeaf = (meanings: Meanings): Keyed<Meanings> => leaf('meanings', meaningsKey(meanings), meanings);

/** Every property by itself, so that what depends on one of them does not change with another. */
export type Fields<T> = { readonly [K in keyof T]-?: Keyed<T[K]> };
const fieldsOf = <T extends object>(kind: string, record: T): Fields<T> =>
  Object.fromEntries(
    Object.entries(record).map(([name, v]) => [name, leaf(`${kind}.${name}`, v ?? null, v as unknown)]),
  ) as Fields<T>;

export type KeyedRecipe = Fields<Recipe>;
export const recipeLeaves = (recipe: Recipe): KeyedRecipe => fieldsOf('recipe', recipe);

export type TrainingRecipe = Omit<Recipe['recovery'], 'enabled' | 'holdout'>;
/** The holdout counts where samples are split; whether there is a recovery at all decides if its stage is run. */
export function recoveryLeaves(recovery: Recipe['recovery']): Fields<TrainingRecipe> & { holdout: Keyed<number> } {
  const { enabled: _, ...rest } = recovery;
  return fieldsOf('recovery', rest);
}

/** What of a budget says how a model is run; the budget itself is no input of anything that another budget reuses. */
export type Conditions = Fields<Pick<Budget, 'threads' | 'provider' | 'batch'>> & { readonly machine: Keyed<Machine> };
export interface Machine {
  readonly processor: string;
  readonly runtime: string;
}
export function conditionLeaves({ threads, provider, batch }: Omit<Budget, 'percentile'>): Conditions {
  const { processor, runtime } = localDevice();
  const machine = { processor, runtime };
  return { ...fieldsOf('budget', { threads, provider, batch }), machine: leaf('machine', machine, machine) };
}

/** The inference runtime: what a model computes may change with its version. */
export const runtimeLeaf = (): Keyed<string> => leaf('runtime', runtimeVersion(), runtimeVersion());
export const batchLeaf = (batch: number): Keyed<number> => leaf('budget.batch', batch, batch);

/** A device by its processor, its runtime and the providers that come with it. */
export const deviceLeaf = (device: DeviceProfile): Keyed<DeviceProfile> => {
  const { processor, runtime, providers } = device;
  return leaf('device', { processor, runtime, providers }, device);
};

/** Threads that results are computed with: sums are taken in another order with others. */
export const threadsLeaf = (threads: number): Keyed<number> => leaf('threads', threads, threads);
export const seedLeaf = ({ seed }: Pick<CompressRequest, 'seed'>): Keyed<number> => leaf('seed', seed, seed);

/** How many samples each step takes. */
export const limitLeaves = <T extends object>(limits: T): Fields<T> => fieldsOf('limit', limits);

/** A plan by its choices. */
export const planLeaf = (plan: Plan): Keyed<Plan> => leaf('plan', plan, plan);
/** Plans with what they measured. */
export const candidatesLeaf = (list: readonly Candidate[]): Keyed<readonly Candidate[]> =>
  leaf(
    'candidates',
    list.map((c) => [keyOf(c.state), c.ratio]),
    list,
  );

/** The job, and what it has measured or measures with: that is this job's own and is no other's. */
export const jobLeaf = <T>(job: string, value: T): Keyed<T> => leaf('job', job, value);
