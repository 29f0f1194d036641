/** Archives of arrays: one array per input, matched by name, or one array with a generic data name. */
import { parse } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { rowsOf } from './folder-source.ts';
import type { InputSpec } from './input-spec.ts';
import { labelsFromArray, type Labels } from './labels.ts';
import { firstOf, LABEL_NAMES, namedParts, namesInputs } from './named-parts.ts';
import { parseNpy } from './npy.ts';
import { refuseLfsPointer } from './read-text.ts';
import type { Column, Source } from './source.ts';
import { openZip, ZipProblem } from './zip.ts';

const DATA_KEYS = ['images', 'image', 'x', 'x_test', 'x_train', 'data', 'inputs', 'input', 'features', 'arr_0'];

/** Assigns arrays to inputs by name. */
function chosen(names: readonly string[], inputs: readonly InputSpec[], sole: InputSpec | null, path: string) {
  if (namesInputs(names, inputs) || !sole) {
    const { inputs: found, labels } = namedParts(names, inputs, { path });
    return { arrays: found.map((spec) => ({ spec, key: spec.name })), labels };
  }
  const key = firstOf(names, DATA_KEYS) ?? (names.length === 1 ? names[0] : undefined);
  if (key === undefined) {
    const reason = `none of its arrays (${names.join(', ')}) is named ${sole.name}, images, x or data`;
    throw new SecateurError('data-invalid', { path, reason });
  }
  const labels = firstOf(names, LABEL_NAMES);
  return { arrays: [{ spec: sole, key }], labels: labels === undefined || labels === key ? null : labels };
}

/** @param sole the only input that an unnamed array can feed; null where there are several */
export async function openNpz(path: string, inputs: readonly InputSpec[], sole: InputSpec | null): Promise<Source> {
  try {
    const zip = await openZip(path, { maxEntryBytes: 2 ** 31 - 1, maxTotalBytes: 2 ** 33 });
    try {
      const keys = new Map([...zip.entries.keys()].filter((k) => k.endsWith('.npy')).map((k) => [k.slice(0, -4), k]));
      const read = async (key: string) => parseNpy(await zip.read(keys.get(key)!), `${path} (${key})`);
      const { arrays, labels: labelKey } = chosen([...keys.keys()], inputs, sole, path);
      const columns = new Map<string, Column>();
      for (const { spec, key } of arrays)
        columns.set(spec.name, { kind: 'array', array: await read(key), path, from: [path] });
      const count = rowsOf(columns, arrays.map((a) => a.spec), path); // prettier-ignore
      let labels: Labels | null = null;
      if (labelKey !== null) {
        const where = `${path} (${labelKey})`;
        const y = await read(labelKey);
        const numbers = labelsFromArray(y.data, y.shape, where);
        if (numbers.length !== count)
          throw new SecateurError('data-labels', {
            path: where,
            reason: `there are ${numbers.length} labels for ${count} samples`,
          });
        labels = { labels: numbers, classNames: null };
      }
      const from = arrays.map((a) => a.key).join(', ');
      const notes = [`Data read from ${from}${labels ? `, labels from ${labelKey}` : ''} of ${parse(path).base}.`];
      return { columns, count, names: null, labels, notes };
    } finally {
      zip.close();
    }
  } catch (e) {
    if (e instanceof ZipProblem) await refuseLfsPointer(path);
    if (e instanceof ZipProblem) throw new SecateurError('data-invalid', { path, reason: e.message });
    throw e;
  }
}
