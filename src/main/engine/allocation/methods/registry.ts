import type { AllocationMethod } from './contract.ts';

// Finds every file of this folder that exports `method`: a new allocation method is one new file.
const modules = import.meta.glob<{ method?: AllocationMethod }>(
  ['./*.ts', '!./*.test.ts', '!./contract.ts', '!./registry.ts'],
  { eager: true },
);

const table = new Map<string, AllocationMethod>();
for (const m of Object.values(modules)) if (m.method) table.set(m.method.name, m.method);

/** @throws Error for an unknown name: recipes are validated when they are read */
export function allocationMethod(name: string): AllocationMethod {
  const found = table.get(name);
  if (!found) throw new Error(`there is no allocation method ${name}`);
  return found;
}

/** Methods for a list of choices: first those that run plans, then those by curvature, then those by scores alone. */
export const allAllocationMethods = (): AllocationMethod[] =>
  [...table.values()].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));

const rank = ({ cost }: AllocationMethod): number => (cost === 'run' ? 0 : cost === 'curvature' ? 1 : 2);
