/** Where samples come from: finds out what a path is and lists its samples, without decoding any. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join, parse, resolve } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { encodeLabels, labelsFromArray, parseTable, readLabels, type Labels } from './labels.ts';
import { openNpy, parseNpy, type ArraySource } from './npy.ts';
import { readText, refuseLfsPointer } from './read-text.ts';
import { openZip, ZipProblem } from './zip.ts';

export type Source = { readonly labels: Labels | null; readonly notes: readonly string[] } & (
  | { readonly kind: 'files'; readonly files: readonly string[]; readonly names: readonly string[] }
  | { readonly kind: 'array'; readonly array: ArraySource }
);

const IMAGES = new Set([
  '.jpg',
  '.jpeg',
  '.png',
  '.webp',
  '.bmp',
  '.gif',
  '.tif',
  '.tiff',
  '.avif',
  '.heic',
  '.jxl',
  '.ppm',
  '.pgm',
]);
const isImage = (name: string): boolean => IMAGES.has(extname(name).toLowerCase()) && !name.startsWith('.');
const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Folders below the one that is given, at most. */
const DEPTH = 8;

/**
 * Images of a folder and of those in it, by their paths from it. Links to folders are followed, but not into a folder that
 * the way led through already; a link that leads nowhere is left out unless it is called like an image.
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

async function openFolder(path: string, classes?: readonly string[] | null): Promise<Source> {
  const notes: string[] = [],
    names = await imagesBelow(path);
  if (!names.length) throw new SecateurError('data-empty', { path, reason: 'the folder holds no images' });
  const nested = names.filter((n) => n.includes('/')),
    flat = nested.length === 0;
  const used = flat ? names : nested;
  if (!flat && nested.length < names.length)
    notes.push(`${names.length - nested.length} images outside the class folders are left out.`);
  const files = used.map((n) => join(path, n));
  if (!flat) {
    const folders = classOrder([...new Set(nested.map((n) => n.split('/')[0]!))]);
    const labels = encodeLabels(
      nested.map((n) => n.split('/')[0]!),
      path,
      classes ?? folders,
    );
    return { kind: 'files', files, names: used, labels, notes };
  }
  for (const name of ['labels.csv', 'labels.txt', 'labels.npy']) {
    const file = join(path, name);
    if (!(await stat(file).catch(() => null))?.isFile()) continue;
    notes.push(`Labels read from ${name} in the data folder.`);
    return { kind: 'files', files, names, labels: await readLabels(file, names.length, names, classes), notes };
  }
  return { kind: 'files', files, names, labels: null, notes };
}

async function openTable(path: string, classes?: readonly string[] | null): Promise<Source> {
  const table = parseTable(await readText(path), path);
  if (!table.hasPaths) throw new SecateurError('data-invalid', { path, reason: 'it has no column of image paths' });
  if (!table.paths.length) throw new SecateurError('data-empty', { path, reason: 'the table has no rows' });
  const files = table.paths.map((p) => (isAbsolute(p) ? p : resolve(dirname(path), p.replaceAll('\\', '/'))));
  const labels = table.hasLabels ? encodeLabels(table.labels, path, classes) : null;
  return { kind: 'files', files, names: table.paths, labels, notes: [] };
}

const DATA_KEYS = ['images', 'image', 'x', 'x_test', 'x_train', 'data', 'inputs', 'input', 'features', 'arr_0'];
const LABEL_KEYS = ['labels', 'label', 'y', 'y_test', 'y_train', 'targets', 'target', 'classes', 'arr_1'];

async function openNpz(path: string): Promise<Source> {
  try {
    const zip = await openZip(path, { maxEntryBytes: 2 ** 31 - 1, maxTotalBytes: 2 ** 33 });
    try {
      const keys = new Map([...zip.entries.keys()].filter((k) => k.endsWith('.npy')).map((k) => [k.slice(0, -4), k]));
      const pick = (wanted: readonly string[]): string | undefined => {
        const lower = new Map([...keys.keys()].map((k) => [k.toLowerCase(), k]));
        return wanted.map((w) => lower.get(w)).find((k) => k !== undefined);
      };
      const dataKey = pick(DATA_KEYS) ?? (keys.size === 1 ? [...keys.keys()][0] : undefined),
        labelKey = pick(LABEL_KEYS);
      if (dataKey === undefined) {
        const reason = `none of its arrays (${[...keys.keys()].join(', ')}) is named images, x or data`;
        throw new SecateurError('data-invalid', { path, reason });
      }
      const array = parseNpy(await zip.read(keys.get(dataKey)!), `${path} (${dataKey})`);
      let labels: Labels | null = null;
      if (labelKey !== undefined && labelKey !== dataKey) {
        const where = `${path} (${labelKey})`,
          y = parseNpy(await zip.read(keys.get(labelKey)!), where),
          numbers = labelsFromArray(y.data, y.shape, where);
        if (numbers.length !== array.shape[0])
          throw new SecateurError('data-labels', {
            path: where,
            reason: `there are ${numbers.length} labels for ${array.shape[0]} samples`,
          });
        labels = { labels: numbers, classNames: null };
      }
      const used = [`Data read from ${dataKey}${labels ? `, labels from ${labelKey}` : ''} of ${parse(path).base}.`];
      return { kind: 'array', array, labels, notes: used };
    } finally {
      zip.close();
    }
  } catch (e) {
    if (e instanceof ZipProblem) await refuseLfsPointer(path);
    if (e instanceof ZipProblem) throw new SecateurError('data-invalid', { path, reason: e.message });
    throw e;
  }
}

/** A label array beside an image array: foo_images.npy and foo_labels.npy. */
async function labelsBeside(path: string): Promise<string | null> {
  const { dir, name } = parse(path);
  if (!/images$/i.test(name)) return null;
  const beside = join(dir, `${name.replace(/images$/i, 'labels')}.npy`);
  return (await stat(beside).catch(() => null))?.isFile() ? beside : null;
}

/** Opens a folder, a CSV of paths, a .npy or a .npz; a separate file of labels overrides labels found inside. */
export async function openSource(
  path: string,
  labelFile?: string,
  classes?: readonly string[] | null,
): Promise<Source> {
  const info = await stat(path).catch(() => null);
  if (!info) throw new SecateurError('file-not-found', { path });
  const type = info.isDirectory() ? 'folder' : extname(path).toLowerCase();
  let source: Source;
  if (type === 'folder') source = await openFolder(path, classes);
  else if (type === '.csv') source = await openTable(path, classes);
  else if (type === '.npz') source = await openNpz(path);
  else if (type === '.npy') source = { kind: 'array', array: await openNpy(path), labels: null, notes: [] };
  else if (isImage(path)) source = { kind: 'files', files: [path], names: [parse(path).base], labels: null, notes: [] };
  else throw new SecateurError('data-empty', { path, reason: `files of type "${type}" are not known` });
  if (source.kind === 'array' && !source.array.shape[0]) {
    await source.array.close();
    throw new SecateurError('data-empty', { path, reason: 'the array has no rows' });
  }
  const count = source.kind === 'files' ? source.files.length : source.array.shape[0]!;
  const beside = !labelFile && !source.labels && type === '.npy' ? await labelsBeside(path) : null;
  const file = labelFile ?? beside;
  if (!file) return source;
  try {
    const labels = await readLabels(file, count, source.kind === 'files' ? source.names : null, classes);
    return {
      ...source,
      labels,
      notes: beside ? [...source.notes, `Labels read from ${parse(beside).base} beside the data.`] : source.notes,
    };
  } catch (e) {
    if (source.kind === 'array') await source.array.close();
    throw e;
  }
}
