/** Finds all kinds of structures: every folder beside this file whose `kind.ts` exports `kind`. */
import type { StructureKind } from './contract.ts';

const modules = import.meta.glob<{ kind?: StructureKind }>('./*/kind.ts', { eager: true });

/** Sorted by folder name. */
export const KINDS: readonly StructureKind[] = Object.entries(modules)
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .flatMap(([, m]) => (m.kind ? [m.kind] : []));
