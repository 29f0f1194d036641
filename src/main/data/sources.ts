/** Recognises the type of a data path and lists its samples without decoding them. */
import { stat } from 'node:fs/promises';
import { extname, join, parse } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { openFolder } from './folder-source.ts';
import { isImage } from './image-names.ts';
import { soleInput, type InputSpec } from './input-spec.ts';
import { readLabels } from './labels.ts';
import { openNpy } from './npy.ts';
import { openNpz } from './npz-source.ts';
import { closeColumns, type Column, type Source } from './source.ts';
import { openTable } from './table-source.ts';

/** A label array next to an image array: foo_images.npy and foo_labels.npy. */
async function labelsBeside(path: string): Promise<string | null> {
  const { dir, name } = parse(path);
  if (!/images$/i.test(name)) return null;
  const beside = join(dir, `${name.replace(/images$/i, 'labels')}.npy`);
  return (await stat(beside).catch(() => null))?.isFile() ? beside : null;
}

export interface SourceOptions {
  readonly inputs: readonly InputSpec[];
  /** Separate label file; it overrides labels inside the data. */
  readonly labels?: string | undefined;
  /** Names in the order of the class numbers. */
  readonly classes?: readonly string[] | null | undefined;
}

/**
 * Opens a folder, a table, a .npy or a .npz.
 * @throws 'file-not-found', 'data-empty', 'data-invalid', 'data-input-missing', 'data-input-unknown', 'data-rows', 'data-cell',
 *   'data-labels', 'lfs-pointer'
 */
export async function openSource(path: string, o: SourceOptions): Promise<Source> {
  const info = await stat(path).catch(() => null);
  if (!info) throw new SecateurError('file-not-found', { path });
  const type = info.isDirectory() ? 'folder' : extname(path).toLowerCase();
  const source = await opened(path, type, o);
  try {
    if (source.count === 0) throw new SecateurError('data-empty', { path, reason: 'the array has no rows' });
    const beside = !o.labels && !source.labels && type === '.npy' ? await labelsBeside(path) : null;
    const file = o.labels ?? beside;
    if (!file) return source;
    const labels = await readLabels(file, source.count, source.names, o.classes);
    const notes = beside ? [...source.notes, `Labels read from ${parse(beside).base} beside the data.`] : source.notes;
    return { ...source, labels, notes };
  } catch (e) {
    await closeColumns(source.columns.values());
    throw e;
  }
}

async function opened(path: string, type: string, { inputs, classes }: SourceOptions): Promise<Source> {
  const sole = soleInput(inputs);
  if (type === 'folder') return openFolder(path, inputs, sole, classes);
  if (type === '.csv' || type === '.tsv') return openTable(path, inputs, sole, classes);
  if (type === '.npz') return openNpz(path, inputs, sole);
  const one = type === '.npy' ? 'array' : isImage(path) ? 'files' : null;
  if (one === null) throw new SecateurError('data-empty', { path, reason: `files of type "${type}" are not known` });
  if (!sole) {
    const names = inputs.filter((i) => !i.optional).map((i) => i.name);
    throw new SecateurError('data-input-missing', { path, names: names.join(', '), inputs: inputs.map((i) => i.name).join(', ') }); // prettier-ignore
  }
  const plain = { labels: null, notes: [] };
  const under = (column: Column): Source['columns'] => new Map([[sole.name, column]]);
  if (one === 'files')
    return { ...plain, columns: under({ kind: 'files', files: [path] }), count: 1, names: [parse(path).base] };
  const array = await openNpy(path);
  return {
    ...plain,
    columns: under({ kind: 'array', array, path, from: [path] }),
    count: array.shape[0] ?? 0,
    names: null,
  };
}
