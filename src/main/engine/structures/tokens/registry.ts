/** Finds all token methods: every file of the folder `methods` that exports `method`. */
import type { TokenMethod } from './method.ts';

const modules = import.meta.glob<{ method?: TokenMethod }>(['./methods/*.ts', '!./methods/*.test.ts'], { eager: true });

/** Sorted by name. */
export const TOKEN_METHODS: readonly TokenMethod[] = Object.values(modules)
  .flatMap((m) => m.method ?? [])
  .sort((a, b) => (a.name < b.name ? -1 : 1));

export const tokenMethod = (name: string): TokenMethod | undefined => TOKEN_METHODS.find((m) => m.name === name);
