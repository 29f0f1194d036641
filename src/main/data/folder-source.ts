/** Folders as sources: images, flat or by class; one array per input; or a table of samples. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { isImage } from './image-names.ts';
import type { InputSpec } from './input-spec.ts';
import { encodeLabels, readLabels } from './labels.ts';
import { namedParts, namesInputs, sameRows } from './named-parts.ts';
import { openNpy } from './npy.ts';
import { closeColumns, type Column, type Source } from './source.ts';
import { openTable } from './table-source.ts';

const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Maximum depth of subfolders. */
const DEPTH = 8;
const LABEL_FILES = ['labels.csv', 'labels.txt', 'labels.npy'];
const TABLES = ['samples.csv', 'samples.tsv'];

/**
 * Images of a folder and its subfolders, as paths relative to it. Links to folders are followed, except into a folder
 * that is already on the path. A broken link is left out unless its name is that of an image.
 */
async function imagesBelow(folder: string, prefix = '', through: readonly string[] = []): Promise<string[]> {
  const out: string[] = [];
  const way = [...through, await realpath(folder)];
  for (const e of (await readdir(folder, { withFileTypes: true })).sort((a, b) => byCode(a.name, b.name))) {
    const at = join(folder, e.name);
    const isFolder =
      e.isDirectory() || (e.isSymbolicLink() && ((await stat(at).catch(() => null))?.isDirectory() ?? false));
    if (!isFolder) {
      if (isImage(e.name)) out.push(prefix + e.name);
    } else if (way.length <= DEPTH && !(e.isSymbolicLink() && way.includes(await realpath(at))))
      out.push(...(await imagesBelow(at, `${prefix}${e.name}/`, way)));
  }
  return out;
}

/** Class folders in the order of their class numbers: by number when all are numbers, else by name. */
function classOrder(folders: readonly string[]): string[] {
  const numeric = folders.every((f) => /^\d{1,9}$/.test(f));
  return [...folders].sort(numeric ? (a, b) => Number(a) - Number(b) || byCode(a, b) : byCode);
}

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => null))?.isFile() ?? false;

/** @param sole the only input that images can feed; null where there are several */
export async function openFolder(
  path: string,
  inputs: readonly InputSpec[],
  sole: InputSpec | null,
  classes?: readonly string[] | null,
): Promise<Source> {
  for (const name of TABLES)
    if (await isFile(join(path, name))) return openTable(join(path, name), inputs, sole, classes);
  const arrays = (await readdir(path)).filter((n) => n.endsWith('.npy')).map((n) => n.slice(0, -4));
  if (namesInputs(arrays, inputs)) return openArrays(path, arrays, inputs, classes);
  if (!sole)
    throw new SecateurError('data-input-missing', {
      path,
      names: inputs.filter((i) => !i.optional).map((i) => i.name).join(', '), // prettier-ignore
      inputs: inputs.map((i) => i.name).join(', '),
    });
  return openImages(path, sole, classes);
}

async function openImages(path: string, input: InputSpec, classes?: readonly string[] | null): Promise<Source> {
  const notes: string[] = [];
  const names = await imagesBelow(path);
  if (!names.length) throw new SecateurError('data-empty', { path, reason: 'the folder holds no images' });
  const nested = names.filter((n) => n.includes('/'));
  const flat = nested.length === 0;
  const used = flat ? names : nested;
  if (!flat && nested.length < names.length)
    notes.push(`${names.length - nested.length} images outside the class folders are left out.`);
  const files = used.map((n) => join(path, n));
  const source = {
    columns: new Map([[input.name, { kind: 'files', files } as const]]),
    names: used,
    count: used.length,
  };
  if (!flat) {
    const folders = classOrder([...new Set(nested.map((n) => n.split('/')[0]!))]);
    const own = nested.map((n) => n.split('/')[0]!);
    return { ...source, labels: encodeLabels(own, path, classes ?? folders), notes };
  }
  const labels = await labelsIn(path, used.length, used, notes, classes);
  return { ...source, labels, notes };
}

/** The label file in a data folder. */
async function labelsIn(
  path: string,
  count: number,
  names: readonly string[] | null,
  notes: string[],
  classes?: readonly string[] | null,
) {
  for (const name of LABEL_FILES) {
    const file = join(path, name);
    if (!(await isFile(file))) continue;
    notes.push(`Labels read from ${name} in the data folder.`);
    return readLabels(file, count, names, classes);
  }
  return null;
}

/** One .npy file per input, with the input's name. */
async function openArrays(
  path: string,
  arrays: readonly string[],
  inputs: readonly InputSpec[],
  classes?: readonly string[] | null,
): Promise<Source> {
  const { inputs: found } = namedParts(arrays, inputs, { path, labels: ['labels'], strict: true });
  const columns = new Map<string, Column>();
  try {
    for (const { name } of found) {
      const file = join(path, `${name}.npy`);
      columns.set(name, { kind: 'array', array: await openNpy(file), path: file, from: [file] });
    }
    const count = rowsOf(columns, found, path);
    const notes = [`Data read from ${found.map((i) => `${i.name}.npy`).join(', ')}.`];
    const own = inputs.some((i) => i.name === 'labels');
    const labels = own ? null : await labelsIn(path, count, null, notes, classes);
    return { columns, count, names: null, labels, notes };
  } catch (e) {
    await closeColumns(columns.values());
    throw e;
  }
}

/**
 * Samples from arrays by input name.
 * @throws 'data-rows'
 */
export function rowsOf(columns: ReadonlyMap<string, Column>, inputs: readonly InputSpec[], path: string): number {
  const parts = inputs.flatMap(({ name, shared }) => {
    const c = columns.get(name)!;
    return shared ? [] : [{ name, rows: c.kind === 'files' ? c.files.length : (c.array.shape[0] ?? 0) }];
  });
  return sameRows(parts, path);
}
