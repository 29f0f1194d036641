/**
 * A kind of structure that the product does not have: the addends of a Sum, each computed by its
 * own layers.
 */
import type { Node } from '../../src/main/engine/ir/node.ts';
import { toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import type { Structure, StructureKind } from '../../src/main/engine/structures/contract.ts';
import { ExampleNet } from '../../src/main/engine/structures/example.ts';

/** The node of a structure, and the nodes that serve only one addend, per addend. */
const nodes = new WeakMap<Structure, { readonly sum: Node; readonly branches: readonly (readonly Node[])[] }>();

/** Nodes whose results reach only one addend, the last node first. */
function branchOf(end: Value, sum: Node): Node[] {
  const out: Node[] = [];
  const reach = (v: Value): void => {
    const n = v.producer;
    if (!n || out.includes(n) || !v.consumers().every((c) => c === sum || out.includes(c))) return;
    out.push(n);
    for (const x of n.inputs) if (x) reach(x);
  };
  reach(end);
  return out;
}

/** A Sum of three or four layers over the same input, and its network. */
function ensemble(addends: number) {
  const n = new ExampleNet();
  const x = n.b.relu(n.conv(n.input(2, 3, 5, 5), 3, 4));
  const sum = n.b.op(
    'Sum',
    Array.from({ length: addends }, () => n.b.relu(n.conv(x, 4, 6))),
  );
  return n.model(n.classes(sum, 6));
}

export const toyKind: StructureKind = {
  name: 'addends',
  examples: [
    { name: 'a sum of three layers', units: [3], build: () => ensemble(3) },
    { name: 'a sum of four layers', units: [4], build: () => ensemble(4) },
  ],
  find: ({ model }) => ({
    structures: [...model.graph.nodes()].flatMap((sum): Structure[] => {
      if (sum.key !== 'Sum' || sum.inputs.length < 3) return [];
      const branches = sum.inputs.map((v) => branchOf(v!, sum));
      const [name, units, makers] = [sum.output().name, branches.length, branches.flat()];
      const s = { id: `sum ${name}`, name, kind: toyKind, unit: 'addend', units, multiple: 1, makers, aliases: [name] };
      nodes.set(s, { sum, branches });
      return [s];
    }),
  }),
  levels: ({ units }) => Array.from({ length: units }, (_, i) => i + 1),
  rank: (s) =>
    nodes
      .get(s)!
      .branches.map((branch) =>
        branch
          .flatMap((n) => n.inputs.flatMap((v) => (v?.initializer ? [...toFloat32(v.initializer)] : [])))
          .reduce((norm, x) => norm + x * x, 0),
      ),
  shapes: (s, removed) => ({ gone: removed.flatMap((u) => nodes.get(s)!.branches[u]!) }),
  apply(s, removed, cut) {
    if (removed.length === s.units) cut.refuse(`${s.id} would lose all of its addends`);
    if (removed.length === 0) return;
    cut.rewire((copy) => {
      const sum = copy.node(nodes.get(s)!.sum);
      const left = sum.inputs.filter((_, i) => !removed.includes(i));
      left.forEach((v, i) => sum.setInput(i, v));
      sum.truncateInputs(left.length);
    });
  },
  mask(s, gate, mask) {
    const { sum } = nodes.get(s)!;
    sum.inputs.forEach((v, unit) => mask.scaleInput(sum, v!, gate, unit));
  },
};
