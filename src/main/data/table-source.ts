/** Tables of samples: a column of image paths, or one column per input. */
import { dirname, isAbsolute, resolve } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { openColumn } from './cells.ts';
import { parseCsv, separatorOf } from './csv.ts';
import type { InputSpec } from './input-spec.ts';
import { encodeLabels, LABEL_HEADERS, parseTable, PATH_HEADERS } from './labels.ts';
import { firstOf, namedParts, namesInputs } from './named-parts.ts';
import { readText } from './read-text.ts';
import { closeColumns, type Column, type Source } from './source.ts';

/** @param sole the only input that an unnamed column can feed; null where there are several */
export async function openTable(
  path: string,
  inputs: readonly InputSpec[],
  sole: InputSpec | null,
  classes?: readonly string[] | null,
): Promise<Source> {
  const text = await readText(path);
  const header = parseCsv(text, separatorOf(path))[0] ?? [];
  const plain = sole !== null && inputs.length === 1 && firstOf(header, PATH_HEADERS) !== undefined;
  if (!plain && (namesInputs(header, inputs) || !sole)) return openNamed(path, text, inputs, classes);
  const table = parseTable(text, path);
  if (!table.hasPaths) throw new SecateurError('data-invalid', { path, reason: 'it has no column of image paths' });
  if (!table.paths.length) throw new SecateurError('data-empty', { path, reason: 'the table has no rows' });
  const files = table.paths.map((p) => (isAbsolute(p) ? p : resolve(dirname(path), p.replaceAll('\\', '/'))));
  return {
    columns: new Map([[sole!.name, { kind: 'files', files }]]),
    count: files.length,
    names: table.paths,
    labels: table.hasLabels ? encodeLabels(table.labels, path, classes) : null,
    notes: [],
  };
}

/** Opens a table whose header names the inputs. */
async function openNamed(
  path: string,
  text: string,
  inputs: readonly InputSpec[],
  classes?: readonly string[] | null,
): Promise<Source> {
  const [header = [], ...body] = parseCsv(text, separatorOf(path));
  const { inputs: found, labels: labelled } = namedParts(header, inputs, { path, labels: LABEL_HEADERS });
  if (body.length === 0) throw new SecateurError('data-empty', { path, reason: 'the table has no rows' });
  const column = (name: string): string[] => {
    const k = header.indexOf(name);
    return body.map((r, row) => {
      if (r[k] === undefined || r[k] === '')
        throw new SecateurError('data-cell', { path, row, column: name, reason: 'it is empty' });
      return r[k];
    });
  };
  const columns = new Map<string, Column>();
  try {
    for (const spec of found) columns.set(spec.name, await openColumn(column(spec.name), spec, path));
    const labels = labelled === null ? null : encodeLabels(column(labelled), path, classes);
    return { columns, count: body.length, names: null, labels, notes: [] };
  } catch (e) {
    await closeColumns(columns.values());
    throw e;
  }
}
