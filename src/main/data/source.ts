/** Where samples come from, before they are decoded. */
import type { Labels } from './labels.ts';
import type { ArraySource } from './npy.ts';

/** The part of the data that feeds one input. */
export type Column =
  | { readonly kind: 'files'; readonly files: readonly string[] }
  | {
      readonly kind: 'array';
      readonly array: ArraySource;
      /** For messages. */
      readonly path: string;
      /** Files that the array is read from. */
      readonly from: readonly string[];
    };

export interface Source {
  readonly labels: Labels | null;
  readonly notes: readonly string[];
  /** By input name. */
  readonly columns: ReadonlyMap<string, Column>;
  /** Number of samples. */
  readonly count: number;
  /** Names of the samples; null where they are rows of arrays. */
  readonly names: readonly string[] | null;
}

/** Closes the files of a source, or of the columns opened before one failed. */
export async function closeColumns(columns: Iterable<Column>): Promise<void> {
  for (const c of columns) if (c.kind === 'array') await c.array.close();
}
