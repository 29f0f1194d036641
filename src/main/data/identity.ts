/**
 * What samples and labels depend on, as one hash: two data sets with the same identity give the same batches. Results that
 * are kept are filed under it, so that a changed file, label or preprocessing is never answered with an old result.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Preprocess } from '../../shared/model/job.ts';
import type { InputSpec } from './input-spec.ts';
import { mapLimit } from './map-limit.ts';

export interface IdentityParts {
  /** Every file that samples are read from, in the order of the samples. */
  readonly files: readonly string[];
  /** Indices of the samples that are used. */
  readonly rows: readonly number[];
  /** As resolved, wherever they came from: a label file's content counts, not its name. */
  readonly labels: ArrayLike<number> | null;
  readonly classNames: readonly string[] | null;
  readonly preprocess: Preprocess | null;
  /** The inputs that samples are made for. */
  readonly inputs: readonly InputSpec[];
}

/**
 * Files count by path, size and the times of their last change of content and of state: the latter moves even when a tool
 * sets the former back. @returns hex sha256
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
