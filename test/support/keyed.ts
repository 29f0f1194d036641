/** Keyed values and a context with a store, for tests of single stages. */
import { leaf, type Keyed } from '../../src/main/pipeline/stage.ts';
import type { Figures } from '../../src/shared/model/figures.ts';

/** A value under a key given by the test. */
export const keyed = <T>(value: T, name: unknown = 'test'): Keyed<T> => leaf('test', name, value);

/** In-memory figures in place of a job's stored memo. */
export function memos(): { memo: (name: string, key: unknown) => Figures; names: () => string[] } {
  const all = new Map<string, Map<string, number>>();
  const memo = (name: string, key: unknown): Figures => {
    const id = JSON.stringify([name, key]);
    const known = all.get(id) ?? new Map<string, number>();
    all.set(id, known);
    return { get: (k) => known.get(k), put: (k, v) => void known.set(k, v) };
  };
  return { memo, names: () => [...all.keys()] };
}
