/** Batches of lessons as feeds of the training graph. */
import { joinRows, type HostTensor } from '../../../engine/executor.ts';
import { DType } from '../../../engine/ir/dtype.ts';
import type { Lesson } from './lessons.ts';
import type { Feeds } from './recorder.ts';

/** Inputs of the training graph beside those of the decoder. */
export const ROWS = 'answer_rows';
export const SHARES = 'answer_shares';
export const ENTROPY = 'answer_entropy';

/** Whether the first axis of an input is the batch: masks of a branch and counts of a runner have none. */
const hasBatch = ({ dims }: HostTensor): boolean => dims.length >= 2;

const same = (a: HostTensor, b: HostTensor): boolean =>
  a.dims.join() === b.dims.join() && Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
const bytesOf = ({ data }: HostTensor): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** Inputs that every lesson feeds alike, as they are for a batch, and the names of the others. */
export function constantFeeds(lessons: readonly Lesson[], batch: number): { constant: Feeds; varying: string[] } {
  const [first, ...others] = lessons;
  const constant: Record<string, HostTensor> = {};
  const varying: string[] = [];
  for (const [name, t] of Object.entries(first!.feeds))
    if (others.every((l) => same(t, l.feeds[name]!)))
      constant[name] = hasBatch(t) ? joinRows(Array.from({ length: batch }, () => t)) : t;
    else varying.push(name);
  return { constant, varying };
}

/** Inputs of the decoder for a batch. */
export const stacked = (lessons: readonly Lesson[], names: readonly string[]): Record<string, HostTensor> =>
  Object.fromEntries(names.map((name) => [name, joinRows(lessons.map((l) => l.feeds[name]!))]));

/**
 * Positions of all answers in the flattened batch, int64 [rows]; unused rows repeat position 0.
 * @param length of the sequences
 */
export function rowsOf(lessons: readonly Lesson[], rows: number, length: number): HostTensor {
  const data = new BigInt64Array(rows);
  let at = 0;
  for (const [i, { first, answer }] of lessons.entries())
    for (let k = 0; k < answer.length; k++) data[at++] = BigInt(i * length + first + k);
  return { dtype: DType.INT64, dims: [rows], data };
}

/** Targets of a batch: shares over the number of its rows, so that products sum to a mean, and the mean entropy. */
export function targetsOf(lessons: readonly Lesson[], rows: number, vocabulary: number): Record<string, HostTensor> {
  const data = new Float32Array(rows * vocabulary);
  const count = lessons.reduce((n, l) => n + l.shares.rows, 0);
  let [at, entropy] = [0, 0];
  for (const { shares } of lessons)
    for (let row = 0; row < shares.rows; row++, at++) {
      entropy += shares.entropy[row]! / count;
      for (let i = 0; i < shares.width; i++) {
        const k = row * shares.width + i;
        data[at * vocabulary + (shares.ids ? shares.ids[k]! : i)] = shares.shares[k]! / count;
      }
    }
  return {
    [SHARES]: { dtype: DType.FLOAT, dims: [rows, vocabulary], data },
    [ENTROPY]: { dtype: DType.FLOAT, dims: [], data: Float32Array.of(entropy) },
  };
}
