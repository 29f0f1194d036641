/**
 * Questions about pictures: a table (CSV or TSV with a header) or JSON lines, one question per row. Columns: `image`, a
 * path relative to the file; `prompt`; where known `answer` and `kind`. For dual encoders: `image` and `text`.
 */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { parseCsv, separatorOf } from './csv.ts';
import { readText } from './read-text.ts';

export interface PictureQuestion {
  /** Path of the picture; null for a question without one. */
  readonly image: string | null;
  /** Null: the package answers without a prompt, as in captioning. */
  readonly prompt: string | null;
  readonly answer: string | null;
  readonly kind: string | null;
}

/** A picture and a text that describes it. */
export interface PictureText {
  readonly image: string;
  readonly text: string;
}

/** Names of columns; the first one is that of the documentation. */
const COLUMNS = {
  image: ['image', 'path', 'file', 'filename', 'file_name', 'image_path'],
  prompt: ['prompt', 'question'],
  answer: ['answer', 'label'],
  kind: ['kind', 'type', 'category'],
  text: ['text', 'caption', 'label', 'class'],
} as const;

type Column = keyof typeof COLUMNS;

/** @throws 'file-not-found', 'file-unreadable', 'data-invalid', 'data-empty', 'question-row' */
export async function readQuestions(path: string): Promise<PictureQuestion[]> {
  const rows = await readRows(path, ['image', 'prompt', 'answer', 'kind']);
  if (!rows.has.prompt && !rows.has.image)
    throw new SecateurError('data-invalid', { path, reason: 'it has neither a column image nor a column prompt' });
  return rows.list.map(({ image, prompt, answer, kind }, row) => {
    if (image === null && prompt === null)
      throw new SecateurError('question-row', { path, row, column: 'prompt', reason: 'it is empty, and so is image' });
    return { image: image === null ? null : picture(image, path, row), prompt, answer, kind };
  });
}

/** @throws 'file-not-found', 'file-unreadable', 'data-invalid', 'data-empty', 'question-row' */
export async function readPictureTexts(path: string): Promise<PictureText[]> {
  const rows = await readRows(path, ['image', 'text']);
  for (const column of ['image', 'text'] as const)
    if (!rows.has[column]) throw new SecateurError('data-invalid', { path, reason: `it has no column ${column}` });
  return rows.list.map(({ image, text }, row) => {
    if (image === null || text === null)
      throw new SecateurError('question-row', { path, row, column: image === null ? 'image' : 'text', reason: 'it is empty' }); // prettier-ignore
    return { image: picture(image, path, row), text };
  });
}

interface Rows<C extends Column> {
  readonly has: Readonly<Record<C, boolean>>;
  readonly list: readonly Readonly<Record<C, string | null>>[];
}

async function readRows<C extends Column>(path: string, columns: readonly C[]): Promise<Rows<C>> {
  const text = await readText(path);
  const { names, records } = /\.(jsonl|ndjson)$/i.test(path) ? jsonLines(text, path) : tableRows(text, path);
  if (records.length === 0) throw new SecateurError('data-empty', { path, reason: 'it has no rows' });
  const nameOf = new Map(columns.map((c) => [c, nameIn(c, { names, records }, path)]));
  const each = <T>(of: (c: C) => T): Readonly<Record<C, T>> =>
    Object.fromEntries(columns.map((c) => [c, of(c)])) as Record<C, T>;
  return {
    has: each((c) => nameOf.get(c) !== undefined),
    list: records.map((record) => each((c) => record.get(nameOf.get(c) ?? '') || null)),
  };
}

/** The name under which the file has a column; rows of JSON lines have to agree on it. */
function nameIn(column: Column, { names, records }: Records, path: string): string | undefined {
  const found = COLUMNS[column].filter((name) => names.has(name));
  const [name] = found;
  if (found.length > 1 && !records.every((r) => r.has(name!)))
    throw new SecateurError('data-invalid', { path, reason: `its rows call the same column ${found.join(' and ')}` });
  return name;
}

interface Records {
  readonly names: ReadonlySet<string>;
  readonly records: readonly ReadonlyMap<string, string>[];
}

function tableRows(text: string, path: string): Records {
  const [head, ...body] = parseCsv(text, separatorOf(path));
  const header = (head ?? []).map((name) => name.toLowerCase());
  const records = body.map((fields, row) => {
    if (fields.length > header.length)
      throw new SecateurError('question-row', { path, row, column: header.at(-1) ?? '', reason: `the row has ${fields.length} fields and the header ${header.length}; quote fields with separators` }); // prettier-ignore
    return new Map(header.map((name, i) => [name, fields[i] ?? '']));
  });
  return { names: new Set(header), records };
}

function jsonLines(text: string, path: string): Records {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/).filter((line) => line.trim() !== ''); // prettier-ignore
  const records = lines.map((line, row) => {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (e) {
      throw new SecateurError('data-invalid', { path, reason: `row ${row} is not JSON: ${(e as Error).message}` });
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new SecateurError('data-invalid', { path, reason: `row ${row} is not an object` });
    return new Map(
      Object.entries(value).map(([name, field]): [string, string] => {
        if (field !== null && !['string', 'number', 'boolean'].includes(typeof field))
          throw new SecateurError('question-row', { path, row, column: name, reason: 'it is neither a text nor a number' }); // prettier-ignore
        return [name.toLowerCase(), field === null ? '' : String(field).trim()];
      }),
    );
  });
  return { names: new Set(records.flatMap((r) => [...r.keys()])), records };
}

function picture(cell: string, path: string, row: number): string {
  const file = resolve(dirname(path), cell.replaceAll('\\', '/'));
  if (!existsSync(file))
    throw new SecateurError('question-row', { path, row, column: 'image', reason: `there is no file ${file}` });
  return file;
}
