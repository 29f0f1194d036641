/** The memory that training takes, and the weights that are trained because of it. */
import { totalmem } from 'node:os';
import type { RecoverBy } from '../../../../shared/model/token-recovery.ts';
import { elementCount } from '../../../engine/ir/dtype.ts';
import type { Facts } from '../../../engine/ir/facts.ts';
import type { Model } from '../../../engine/ir/model.ts';

/** Limit for a training step: exceeding the machine's memory would end the process. */
const LIMIT = Math.min(8e9, totalmem() / 3);
/** Copies of all values: the forward pass and pending gradients. */
const ACTIVATIONS = 2.5;
/** Copies of trained weights: the packed vector, its gradient, two moments and the average, each old and new. */
const TRAINED = 14;

export interface MemoryNeeds {
  /** Float32 elements of all weights, of those trained, and of the adapters that could be trained instead. */
  readonly weights: number;
  readonly trained: number;
  readonly adapters: number;
  /** Float32 elements of the values of one sample. */
  readonly sample: number;
}

/** Elements of the values of one sample, from facts at any batch size. */
export function sampleFloats(model: Model, facts: Facts, batch: number): number {
  let floats = 0;
  for (const node of model.graph.nodes())
    for (const v of node.outputs) floats += elementCount(facts.get(v)?.shape ?? []);
  return floats / batch;
}

/** Bytes of a training step. */
const stepBytes = (weights: number, trained: number, batch: number, sample: number): number =>
  4 * (weights + TRAINED * trained + ACTIVATIONS * batch * sample);

export interface TrainingPlan {
  readonly by: Exclude<RecoverBy, 'auto'>;
  readonly batch: number;
  /** Bytes that a step is expected to take. */
  readonly bytes: number;
  /** Why these weights, as a sentence. */
  readonly reason: string;
}

/**
 * All matrices where a step with at least a quarter of the wanted batch fits into the limit, else adapters.
 * @param most samples per step that are wanted
 * @param limit in bytes
 */
export function planTraining(n: MemoryNeeds, asked: RecoverBy, most: number, limit = LIMIT): TrainingPlan {
  const least = Math.max(1, Math.floor(most / 4));
  const full = stepBytes(n.weights, n.trained, least, n.sample);
  const by = asked === 'auto' ? (full <= limit ? 'full' : 'lora') : asked;
  const trained = by === 'lora' ? n.adapters : n.trained;
  const left = limit / 4 - n.weights - TRAINED * trained;
  const batch = Math.max(1, Math.min(most, Math.floor(left / (ACTIVATIONS * n.sample))));
  const need = `about ${gigabytes(full)} of the ${gigabytes(limit)} that training may take`;
  const reason =
    asked !== 'auto'
      ? 'These weights were asked for.'
      : by === 'full'
        ? `Training all matrices takes ${need}.`
        : `Training all matrices would take ${need}.`;
  return { by, batch, bytes: stepBytes(n.weights, trained, batch, n.sample), reason };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(bytes < 1e9 ? 2 : 1)} GB`;
