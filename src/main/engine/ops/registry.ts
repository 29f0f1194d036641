import type { OperatorDef } from './contract.ts';

type OperatorModule = { operator?: OperatorDef; operators?: readonly OperatorDef[] };

// Every file of this folder that exports `operator` or `operators` is in: adding an operator is adding one file.
const modules = import.meta.glob<OperatorModule>(['./*.ts', '!./*.test.ts', '!./contract.ts', '!./registry.ts'], {
  eager: true,
});

const table = new Map<string, OperatorDef>();
for (const m of Object.values(modules)) {
  for (const def of [...(m.operator ? [m.operator] : []), ...(m.operators ?? [])]) {
    table.set(def.domain ? `${def.domain}::${def.opType}` : def.opType, def);
  }
}

/** The definition for `Node.key`, or undefined for an operator we do not know. */
export const operatorFor = (key: string): OperatorDef | undefined => table.get(key);
export const allOperators = (): Iterable<OperatorDef> => table.values();
