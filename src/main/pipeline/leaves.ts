/**
 * Leaf values of keys, each kind keyed in one place: model files, data sets, parts of the recipe,
 * the machine, seeds. All other keys are derived from these (stage.ts).
 */
import { createHash } from 'node:crypto';
import type { CompressRequest, Recipe } from '../../shared/model/job.ts';
import type { Budget, DeviceProfile, Plan, TokenSchedule } from '../../shared/model/types.ts';
import type { Dataset } from '../data/dataset.ts';
import { keyOf, type Candidate } from '../engine/allocation/fit-budget.ts';
import type { State } from '../engine/allocation/state.ts';
import type { Model } from '../engine/ir/model.ts';
import { writeModelChunks } from '../engine/onnx/index.ts';
import type { TimedPhase } from '../engine/latency/phases.ts';
import { meaningsKey, type Meanings } from '../engine/quality/meaning.ts';
import { localDevice, runtimeVersion } from '../runtime/device.ts';
import type { SettledSizes } from '../runtime/settle-sizes.ts';
import { leaf, type Keyed } from './stage.ts';

/** A model file, keyed by its contents. */
export const fileLeaf = <T extends { readonly sha256: string }>(file: T): Keyed<T> => leaf('file', file.sha256, file);

/**
 * A model, keyed by the contents of its files and the sizes at which it runs; the batch size counts
 * when it is fixed.
 */
export const modelLeaf = (
  model: Model,
  { sha256, sizes, fixedBatch, batch }: { readonly sha256: string } & Omit<SettledSizes, 'guessed'>,
): Keyed<Model> => leaf('model', { sha256, sizes, batch: fixedBatch ? batch : null }, model);

/**
 * A graph, keyed by its structure and small tensors. Tensors above 4 KiB are identified by the
 * model that the graph was made from.
 */
export const graphLeaf = (model: Model): Keyed<Model> => leaf('graph', structureOf(model), model);

/** sha256 of everything but the contents of large tensors. */
export function structureOf(model: Model): string {
  const hash = createHash('sha256');
  const { model: chunks } = writeModelChunks(model, { externalData: { location: 'weights', thresholdBytes: 4096 } });
  for (const c of chunks) hash.update(c);
  return hash.digest('hex');
}

/**
 * A data set, keyed by its files, labels and preprocessing (data/identity.ts); null without data.
 */
export const dataLeaf = (dataset: Dataset | null): Keyed<Dataset | null> =>
  leaf('data', dataset?.identity ?? null, dataset);

/**
 * Questions to a package, keyed by the contents of its components, its configuration, the picture files and the prompts.
 * @param identity hash of these
 */
export const askedLeaf = <T>(identity: string, value: T): Keyed<T> => leaf('asked', identity, value);

/** Sizes of axes by name, or shapes of samples by input. */
export const sizesLeaf = <T extends number | readonly number[]>(
  sizes: Readonly<Record<string, T>>,
): Keyed<Readonly<Record<string, T>>> => leaf('sizes', sizes, sizes);

/** The sizes and weights of the phases in a component's latency. */
export const phasesLeaf = (phases: readonly TimedPhase[]): Keyed<readonly TimedPhase[]> =>
  leaf(
    'phases',
    phases.map(({ dims, weight }) => ({ dims, weight })),
    phases,
  );

/**
 * One phase, keyed by its position and its sizes; null: the sizes at which the model was prepared.
 */
export const phaseLeaf = (phase: PhaseAt | null): Keyed<PhaseAt | null> => leaf('phase', phase, phase);
export interface PhaseAt {
  readonly place: number;
  readonly dims: TimedPhase['dims'];
}

/** Readings of outputs, keyed by the parts that results depend on. */
export const meaningsLeaf = (meanings: Meanings): Keyed<Meanings> => leaf('meanings', meaningsKey(meanings), meanings);

/**
 * Every property keyed separately, so that a change of one does not affect results that depend on
 * others.
 */
export type Fields<T> = { readonly [K in keyof T]-?: Keyed<T[K]> };
const fieldsOf = <T extends object>(kind: string, record: T): Fields<T> =>
  Object.fromEntries(
    Object.entries(record).map(([name, v]) => [name, leaf(`${kind}.${name}`, v ?? null, v as unknown)]),
  ) as Fields<T>;

export type KeyedRecipe = Fields<Recipe>;
export const recipeLeaves = (recipe: Recipe): KeyedRecipe => fieldsOf('recipe', recipe);

export type TrainingRecipe = Omit<Recipe['recovery'], 'enabled' | 'holdout'>;
/**
 * The holdout is part of the key where samples are split; whether recovery is enabled decides only
 * if its stage runs.
 */
export function recoveryLeaves(recovery: Recipe['recovery']): Fields<TrainingRecipe> & { holdout: Keyed<number> } {
  const { enabled: _, ...rest } = recovery;
  return fieldsOf('recovery', rest);
}

/**
 * The part of a budget that says how a model is run. The budget itself is not an input of results
 * that other budgets reuse.
 */
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

/** The inference runtime, keyed by version, since a model's results may change with it. */
export const runtimeLeaf = (): Keyed<string> => leaf('runtime', runtimeVersion(), runtimeVersion());
export const batchLeaf = (batch: number): Keyed<number> => leaf('budget.batch', batch, batch);

/** A device, keyed by its processor, its runtime and the runtime's providers. */
export const deviceLeaf = (device: DeviceProfile): Keyed<DeviceProfile> => {
  const { processor, runtime, providers } = device;
  return leaf('device', { processor, runtime, providers }, device);
};

/** The thread count of computed results: it changes the order of sums. */
export const threadsLeaf = (threads: number): Keyed<number> => leaf('threads', threads, threads);
export const seedLeaf = ({ seed }: Pick<CompressRequest, 'seed'>): Keyed<number> => leaf('seed', seed, seed);

/** Number of samples for each step. */
export const limitLeaves = <T extends object>(limits: T): Fields<T> => fieldsOf('limit', limits);

/** A schedule of tokens, keyed by its method, seed and steps. */
export const scheduleLeaf = (schedule: TokenSchedule): Keyed<TokenSchedule> => leaf('tokens', schedule, schedule);

/** A plan, keyed by its choices. */
export const planLeaf = (plan: Plan): Keyed<Plan> => leaf('plan', plan, plan);
/** A state of the search, keyed by its levels; null: the original. */
export const stateLeaf = (state: State | null): Keyed<State | null> => leaf('state', state && keyOf(state), state);
/** Plans, keyed by their choices and measurements. */
export const candidatesLeaf = (list: readonly Candidate[]): Keyed<readonly Candidate[]> =>
  leaf(
    'candidates',
    list.map((c) => [keyOf(c.state), c.ratio]),
    list,
  );

/** The job, keyed by its id: its own measurements and instruments, which no other job reuses. */
export const jobLeaf = <T>(job: string, value: T): Keyed<T> => leaf('job', job, value);
