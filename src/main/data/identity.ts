/**
 * Hashes everything that samples and labels depend on. Two data sets with the same identity give the same batches.
 * Cached results use it as their key, so a changed file, label or preprocessing never returns an old result.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Preprocess } from '../../shared/model/job.ts';
import type { InputSpec } from './input-spec.ts';
import { mapLimit } from './map-limit.ts';

export interface IdentityParts {
  /** Every file that samples are read from, in the order of the samples. */
  readonly files: readonly string[];
  /** Indices of the samples in use. */
  readonly rows: readonly number[];
  /** Resolved labels, whatever their origin: a label file counts by its content, not its name. */
  readonly labels: ArrayLike<number> | null;
  readonly classNames: readonly string[] | null;
  readonly preprocess: Preprocess | null;
  /** The inputs that samples are made for. */
  readonly inputs: readonly InputSpec[];
}

/**
 * Files count by path, size, mtime and ctime. ctime changes even when a tool resets mtime.
 * @returns hex sha256
 */
export async function identityOf(parts: IdentityParts): Promise<string> {
  const { files, labels, ...rest } = parts;
  const hash = createHash('sha256').update(JSON.stringify(rest));
  const stats = await mapLimit(files.length, 16, (i) => stat(files[i]!));
  for (const [i, s] of stats.entries())
    hash.update(`\n${JSON.stringify(files[i])} ${s.size} ${s.mtimeMs} ${s.ctimeMs}`);
  if (labels) hash.update(Int32Array.from(labels));
  return hash.digest('hex');
}
