/** Labels: class numbers from any of the common file formats. */
import { extname } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { parseCsv, separatorOf } from './csv.ts';
import { openNpy } from './npy.ts';
import { readText } from './read-text.ts';

export interface Labels {
  readonly labels: Int32Array;
  /** Names in the order of the class numbers; null unless the labels were names. */
  readonly classNames: readonly string[] | null;
}

const bad = (path: string, reason: string): SecateurError => new SecateurError('data-labels', { path, reason });
/** Accepts the form "3.0" too, which tables with a float column contain. */
const isClassNumber = (s: string): boolean => /^\d{1,9}(\.0*)?$/.test(s);
/** Numbers of any kind, and the usual spellings of a missing number. */
const isNumeric = (s: string): boolean => /^([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf(inity)?))?$/i.test(s);

/**
 * Encodes labels as class numbers. Numbers stay unchanged; a number that is not a class number is refused and never
 * taken for a name. Names are numbered in the order of `classes` when given, else alphabetically.
 * @throws 'data-labels' for a name that is not among the classes, and for numbers that are negative or not whole
 */
export function encodeLabels(values: readonly string[], path: string, classes?: readonly string[] | null): Labels {
  if (!classes?.some((c) => values.includes(c)) && values.every(isNumeric)) {
    const wrong = values.findIndex((v) => !isClassNumber(v));
    if (wrong >= 0) throw bad(path, `row ${wrong} has the label ${JSON.stringify(values[wrong])} among class numbers`);
    return { labels: Int32Array.from(values, Number), classNames: classes ?? null };
  }
  const names = classes ?? [...new Set(values)].sort(),
    index = new Map(names.map((n, i) => [n, i]));
  const labels = Int32Array.from(values, (v, row) => {
    const i = index.get(v);
    if (i === undefined) throw bad(path, `row ${row} has the unknown class ${JSON.stringify(v)}`);
    return i;
  });
  return { labels, classNames: names };
}

/** Class numbers of an array of shape [N] or [N, 1]. */
export function labelsFromArray(data: ArrayLike<number | bigint>, shape: readonly number[], path: string): Int32Array {
  if (shape.length < 1 || shape.slice(1).some((d) => d !== 1))
    throw bad(path, `they have the shape (${shape.join(', ')}); one class number per sample is needed`);
  return Int32Array.from(data as ArrayLike<number>, (x, i) => {
    const n = Number(x);
    if (!Number.isInteger(n) || n < 0 || n > 2 ** 31 - 1) throw bad(path, `row ${i} has the label ${n}`);
    return n;
  });
}

export const PATH_HEADERS = ['path', 'file', 'filename', 'file_name', 'image', 'image_path', 'name', 'id'];
export const LABEL_HEADERS = ['label', 'labels', 'class', 'class_id', 'class_name', 'target', 'category', 'y'];

export interface LabelTable {
  /** As written in the file; empty strings when the file has only labels. */
  readonly paths: readonly string[];
  readonly labels: readonly string[];
  readonly hasPaths: boolean;
  readonly hasLabels: boolean;
}

/** Parses a table of path,label (either column may be missing), with or without a header line. */
export function parseTable(text: string, path: string): LabelTable {
  const rows = parseCsv(text, separatorOf(path));
  if (!rows.length) throw new SecateurError('data-invalid', { path, reason: 'it is empty' });
  const head = rows[0]!.map((h) => h.toLowerCase()),
    headPath = head.findIndex((h) => PATH_HEADERS.includes(h)),
    headLabel = head.findIndex((h) => LABEL_HEADERS.includes(h));
  const hasHeader = headPath >= 0 || headLabel >= 0,
    body = hasHeader ? rows.slice(1) : rows;
  const single = rows[0]!.length === 1;
  const looksLikePath = (s: string | undefined): boolean => /[/\\]|\.[A-Za-z]{2,5}$/.test(s ?? '');
  const pathColumn = hasHeader ? headPath : single && !looksLikePath(body[0]?.[0]) ? -1 : 0,
    labelColumn = hasHeader ? headLabel : single ? (pathColumn === 0 ? -1 : 0) : 1;
  const column = (k: number): string[] =>
    body.map((r, i) => {
      if (k < 0) return '';
      const f = r[k];
      if (f === undefined || f === '')
        throw new SecateurError('data-invalid', {
          path,
          reason: `row ${i + 1 + Number(hasHeader)} has no column ${k + 1}`,
        });
      return f;
    });
  return {
    paths: column(pathColumn),
    labels: column(labelColumn),
    hasPaths: pathColumn >= 0,
    hasLabels: labelColumn >= 0,
  };
}

/**
 * Labels from a separate file for samples in a known order: .npy (class numbers), .txt (one per line) or .csv (one
 * column, or path,label where `names` are the samples' paths).
 */
export async function readLabels(
  path: string,
  count: number,
  names: readonly string[] | null,
  classes?: readonly string[] | null,
): Promise<Labels> {
  const check = (n: number): void => {
    if (n !== count) throw bad(path, `there are ${n} labels for ${count} samples`);
  };
  if (extname(path).toLowerCase() === '.npy') {
    const array = await openNpy(path);
    try {
      check(array.shape[0] ?? 0);
      const all = await array.rows(Array.from({ length: count }, (_, i) => i));
      return { labels: labelsFromArray(all, array.shape, path), classNames: classes ?? null };
    } finally {
      await array.close();
    }
  }
  const text = await readText(path);
  if (extname(path).toLowerCase() === '.txt') {
    const lines = text.split(/\r?\n/).map((s) => s.trim());
    while (lines.at(-1) === '') lines.pop();
    check(lines.length);
    return encodeLabels(lines, path, classes);
  }
  const table = parseTable(text, path);
  if (!table.hasLabels) throw bad(path, 'it has no column of labels');
  if (!table.hasPaths || !names) {
    check(table.labels.length);
    return encodeLabels(table.labels, path, classes);
  }
  const byName = new Map(table.paths.map((p, i) => [p.replaceAll('\\', '/'), table.labels[i]!]));
  const values = names.map((n) => {
    const label = byName.get(n) ?? byName.get(n.split('/').at(-1)!);
    if (label === undefined) throw bad(path, `it has no label for ${n}`);
    return label;
  });
  return encodeLabels(values, path, classes);
}
