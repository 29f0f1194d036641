/** Parts of data by input name: arrays of an archive, files of a folder, columns of a table. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { InputSpec } from './input-spec.ts';

export const LABEL_NAMES = ['labels', 'label', 'y', 'y_test', 'y_train', 'targets', 'target', 'classes', 'arr_1'];

export interface NamedParts {
  readonly inputs: readonly InputSpec[];
  /** The part that holds labels, if there is one. A part with an input's name never holds labels. */
  readonly labels: string | null;
}

/** The first of the wanted names that is present, ignoring case. */
export function firstOf(names: Iterable<string>, wanted: readonly string[]): string | undefined {
  const lower = new Map([...names].map((n) => [n.toLowerCase(), n]));
  return wanted.map((w) => lower.get(w)).find((n) => n !== undefined);
}

/** True where at least one part is named after an input. */
export const namesInputs = (names: Iterable<string>, inputs: readonly InputSpec[]): boolean => {
  const known = new Set(names);
  return inputs.some((i) => known.has(i.name));
};

/**
 * @param strict whether a part that is neither an input nor labels is refused
 * @throws 'data-input-unknown', 'data-input-missing'
 */
export function namedParts(
  names: readonly string[],
  inputs: readonly InputSpec[],
  o: { readonly path: string; readonly labels?: readonly string[]; readonly strict?: boolean },
): NamedParts {
  const known = new Set(inputs.map((i) => i.name));
  const others = names.filter((n) => !known.has(n));
  const labels = firstOf(others, o.labels ?? LABEL_NAMES) ?? null;
  const extra = others.filter((n) => n !== labels);
  const all = inputs.map((i) => i.name).join(', ');
  if (extra.length > 0 && (o.strict ?? inputs.length > 1))
    throw new SecateurError('data-input-unknown', { path: o.path, names: extra.join(', '), inputs: all });
  const found = inputs.filter((i) => names.includes(i.name));
  const missing = inputs.filter((i) => !i.optional && !names.includes(i.name));
  if (missing.length > 0)
    throw new SecateurError('data-input-missing', { path: o.path, names: missing.map((i) => i.name).join(', '), inputs: all }); // prettier-ignore
  return { inputs: found, labels };
}

/** @throws 'data-rows' where two parts have different numbers of samples */
export function sameRows(parts: readonly { readonly name: string; readonly rows: number }[], path: string): number {
  const [first, ...others] = parts;
  const other = others.find((p) => p.rows !== first!.rows);
  if (other)
    throw new SecateurError('data-rows', {
      path,
      a: first!.name,
      rowsA: first!.rows,
      b: other.name,
      rowsB: other.rows,
    });
  return first?.rows ?? 0;
}
