/** All kinds of structures: every folder beside this file whose `kind.ts` exports `kind` is in. */
import type { StructureKind } from './contract.ts';

const modules = import.meta.glob<{ kind?: StructureKind }>('./*/kind.ts', { eager: true });

/** In the order of their folders' names. */
export const KINDS: readonly StructureKind[] = Object.entries(modules)
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .flatMap(([, m]) => (m.kind ? [m.kind] : []));
