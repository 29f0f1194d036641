import type { Node, Value } from '../ir/index.ts';
import { givenOut } from '../ir/reads.ts';
import { traitsOf } from '../ops/registry.ts';
import { eliminateDead } from './eliminate-dead.ts';
import type { Pass } from './pass.ts';

/** Maximum number of nodes to look back. */
const DEPTH = 16;

/**
 * Removes activations without effect: Relu of values that are already non-negative, and a repeated Clip. Dropped
 * residual blocks leave such pairs, and each costs a kernel.
 */
export const eliminateRepeatedActivation: Pass = {
  name: 'eliminate-repeated-activation',
  run(model) {
    const given = givenOut(model.graph);
    let modified = false;
    for (const n of model.graph.nodes()) {
      const x = n.input(0);
      if (!x || given.has(n.output()) || !isRepeated(n, x)) continue;
      n.output().replaceAllUsesWith(x);
      modified = true;
    }
    if (modified) eliminateDead.run(model);
    return { model, modified };
  },
};

function isRepeated(n: Node, x: Value): boolean {
  if (n.key === 'Relu') return isNonNegative(x, DEPTH);
  const p = x.producer;
  if (n.key !== 'Clip' || p?.key !== 'Clip') return false;
  if (n.inputs.length !== p.inputs.length || n.inputs.slice(1).some((v, i) => !isSame(v, p.input(i + 1)))) return false;
  return [...n.attributes].every(([name, a]) => {
    const b = p.attributes.get(name);
    return a.kind === 'float' && b?.kind === 'float' && a.value === b.value;
  });
}

/** The same value, or two constants with the same bytes: exporters write separate bounds for every Clip. */
function isSame(a: Value | null, b: Value | null): boolean {
  if (a === b) return true;
  const [s, t] = [a?.initializer, b?.initializer];
  if (!s || !t || s.dtype !== t.dtype) return false;
  const [x, y] = [s.bytes(), t.bytes()];
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}

function isNonNegative(v: Value, depth: number): boolean {
  const p = v.producer;
  if (!p || depth === 0) return false;
  return traitsOf(p).nonNegative?.(p, (x) => x !== null && isNonNegative(x, depth - 1)) ?? false;
}
