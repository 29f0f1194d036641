/**
 * Table columns that are named after inputs. A cell is a path (an image, or a .npy with one sample) relative to the
 * table, or all numbers of one sample, separated by spaces, commas or semicolons.
 */
import { stat } from 'node:fs/promises';
import { dirname, extname, isAbsolute, resolve } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { DType, elementCount } from '../engine/ir/dtype.ts';
import type { NumericArray } from '../engine/ir/tensor.ts';
import { sampleShape, type InputSpec } from './input-spec.ts';
import { isImage } from './image-names.ts';
import { mapLimit } from './map-limit.ts';
import { memoryArray, openNpy, type ArraySource } from './npy.ts';
import type { Column } from './source.ts';

/**
 * @param cells one per sample
 * @throws 'data-cell', 'data-shape', 'file-not-found'
 */
export async function openColumn(cells: readonly string[], spec: InputSpec, path: string): Promise<Column> {
  const used = spec.shared ? [soleValue(cells, spec, path)] : cells;
  const [first] = used;
  if (isImage(first!)) return { kind: 'files', files: pathsOf(used, isImage, 'an image', spec, path) };
  if (isNpy(first!)) {
    const files = pathsOf(used, isNpy, 'a .npy file', spec, path);
    return { kind: 'array', array: await openCellFiles(files, spec), path, from: [path, ...files] };
  }
  return { kind: 'array', array: numberColumn(used, spec, path), path, from: [path] };
}

const isNpy = (cell: string): boolean => extname(cell).toLowerCase() === '.npy';

const badCell = (path: string, row: number, spec: InputSpec, reason: string): SecateurError =>
  new SecateurError('data-cell', { path, row, column: spec.name, reason });

/** An input without a batch axis has one value for all samples. */
function soleValue(cells: readonly string[], spec: InputSpec, path: string): string {
  const other = cells.findIndex((c) => c !== cells[0]);
  if (other >= 0)
    throw badCell(path, other, spec, `it holds ${shown(cells[other]!)} and row 0 ${shown(cells[0]!)}, and the input has one value for all samples`); // prettier-ignore
  return cells[0]!;
}

const shown = (cell: string): string => JSON.stringify(cell.length > 40 ? `${cell.slice(0, 40)}...` : cell);

function pathsOf(
  cells: readonly string[],
  fits: (cell: string) => boolean,
  kind: string,
  spec: InputSpec,
  path: string,
): string[] {
  return cells.map((cell, row) => {
    if (!fits(cell)) throw badCell(path, row, spec, `it holds ${shown(cell)} and row 0 ${kind}`);
    return isAbsolute(cell) ? cell : resolve(dirname(path), cell.replaceAll('\\', '/'));
  });
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^[+-]?(nan|inf(inity)?)$/i;

/** Numbers of a cell, with true and false as 1 and 0; null where it holds anything else. @internal */
export function numbersOf(cell: string): number[] | null {
  const words = cell.replace(/^\s*[[(]|[\])]\s*$/g, '').split(/[\s,;]+/).filter((w) => w !== ''); // prettier-ignore
  const out: number[] = [];
  for (const w of words) {
    if (/^(true|false)$/i.test(w)) out.push(Number(/^true$/i.test(w)));
    else if (!NUMBER.test(w)) return null;
    else out.push(/inf/i.test(w) ? (w.startsWith('-') ? -Infinity : Infinity) : Number(/nan/i.test(w) ? NaN : w));
  }
  return out.length > 0 ? out : null;
}

function numberColumn(cells: readonly string[], spec: InputSpec, path: string): ArraySource {
  const rows = cells.map((cell, row) => {
    const numbers = numbersOf(cell);
    if (!numbers) throw badCell(path, row, spec, `${shown(cell)} is neither an image, a .npy file, nor numbers`);
    return numbers;
  });
  const count = rows[0]!.length;
  const other = rows.findIndex((r) => r.length !== count);
  if (other >= 0)
    throw badCell(path, other, spec, `it has ${rows[other]!.length} numbers and row 0 has ${count}; pad them to one length`); // prettier-ignore
  const shape = shapeFor(count, spec);
  return memoryArray(DType.DOUBLE, spec.shared ? shape : [rows.length, ...shape], Float64Array.from(rows.flat()));
}

/** Shape of a sample with `count` elements. One unknown size is computed from the others. */
function shapeFor(count: number, spec: InputSpec): number[] {
  const wanted = sampleShape(spec);
  const known = elementCount(wanted.filter((d) => d >= 1));
  const open = wanted.filter((d) => !(d >= 1)).length;
  if (open <= 1 && (open === 0 ? known === count : count % known === 0))
    return wanted.map((d) => (d >= 1 ? d : count / known));
  const takes = wanted.map((d) => (d >= 1 ? d : '?')).join(', ');
  throw new SecateurError('data-shape', {
    reason: `a cell of ${spec.name} has ${count} numbers, and a sample has the shape (${takes})${open > 1 ? '; give .npy files where several sizes are open' : ''}`,
  });
}

/** Samples in separate files, read on demand. */
async function openCellFiles(files: readonly string[], spec: InputSpec): Promise<ArraySource> {
  await mapLimit(files.length, 16, async (i) => {
    if (!(await stat(files[i]!).catch(() => null))?.isFile())
      throw new SecateurError('file-not-found', { path: files[i] });
  });
  const rank = sampleShape(spec).length;
  const load = async (i: number) => {
    const array = await openNpy(files[i]!);
    try {
      // A sample may come as a batch of one.
      const shape = array.shape.length === rank + 1 && array.shape[0] === 1 ? array.shape.slice(1) : array.shape;
      const all = Array.from({ length: array.shape[0] ?? 1 }, (_, k) => k);
      return { dtype: array.dtype, shape, data: await array.rows(all) };
    } finally {
      await array.close();
    }
  };
  const first = await load(0);
  const each = elementCount(first.shape);
  const rows = async (indices: readonly number[]): Promise<NumericArray> => {
    const out = new (first.data.constructor as new (n: number) => NumericArray)(indices.length * each);
    for (const [k, i] of indices.entries()) {
      const one = await load(i);
      if (one.dtype !== first.dtype || one.shape.join() !== first.shape.join())
        throw new SecateurError('data-shape', {
          reason: `${files[i]} has the shape (${one.shape.join(', ')}), and ${files[0]} (${first.shape.join(', ')}) or another element type`,
        });
      out.set(one.data as never, k * each);
    }
    return out;
  };
  if (spec.shared) return memoryArray(first.dtype, first.shape, first.data);
  return { dtype: first.dtype, shape: [files.length, ...first.shape], rows, close: () => Promise.resolve() };
}
