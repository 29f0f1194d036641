import type { Criterion } from './contract.ts';

// Finds every file of this folder that exports `criterion`: a new criterion is one new file.
const modules = import.meta.glob<{ criterion?: Criterion }>(
  ['./*.ts', '!./*.test.ts', '!./contract.ts', '!./registry.ts'],
  { eager: true },
);

const table = new Map<string, Criterion>();
for (const m of Object.values(modules)) if (m.criterion) table.set(m.criterion.name, m.criterion);

export const criterionFor = (name: string): Criterion | undefined => table.get(name);
export const allCriteria = (): Criterion[] => [...table.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
