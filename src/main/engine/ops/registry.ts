import type { Node } from '../ir/node.ts';
import type { DescribedOperator, OperatorDef, Traits } from './contract.ts';

interface OperatorModule {
  readonly operator?: OperatorDef;
  readonly operators?: readonly OperatorDef[];
  readonly described?: readonly DescribedOperator[];
}

// Finds every file of this folder that exports `operator`, `operators` or `described`: a new operator is one new file.
const modules = import.meta.glob<OperatorModule>(
  ['./*.ts', '!./*.test.ts', '!./contract.ts', '!./registry.ts', '!./traits.ts'],
  { eager: true },
);

const keyOf = (o: { readonly opType: string; readonly domain?: string }): string =>
  o.domain ? `${o.domain}::${o.opType}` : o.opType;

const table = new Map<string, OperatorDef>();
const known = new Map<string, Traits>();
for (const m of Object.values(modules)) {
  for (const def of [...(m.operator ? [m.operator] : []), ...(m.operators ?? [])]) {
    table.set(keyOf(def), def);
    if (def.traits) known.set(keyOf(def), def.traits);
  }
  for (const d of m.described ?? []) known.set(keyOf(d), d.traits);
}

const NONE: Traits = {};

/** The definition for `Node.key`, or undefined for an operator without rules. */
export const operatorFor = (key: string): OperatorDef | undefined => table.get(key);
export const allOperators = (): Iterable<OperatorDef> => table.values();

/** The traits of a node's operator; empty for an operator without a file. */
export const traitsOf = (node: Pick<Node, 'key'>): Traits => known.get(node.key) ?? NONE;
/** Keys of all operators that have rules or traits. */
export const operatorKeys = (): ReadonlySet<string> => new Set([...table.keys(), ...known.keys()]);

/** True for an operator whose result contains sizes of its input. */
export const readsSizes = (node: Pick<Node, 'key'>): boolean => {
  const { shapeInputs, outputType } = traitsOf(node);
  return outputType !== undefined && (shapeInputs?.includes(0) ?? false);
};

/** True for an operator whose result contains every element of its first input once, in the same memory order. */
export const keepsOrder = (node: Pick<Node, 'key'>): boolean => {
  const { movement } = traitsOf(node);
  return movement === 'as-is' || movement === 'in-order';
};
