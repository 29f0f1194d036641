import { attrString, str } from '../ir/attribute.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import type { GradContext, OperatorDef, PruneContext } from './contract.ts';
import { w, x } from './support/elementwise.ts';

interface Terms {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** Labels per axis; an ellipsis becomes numbered labels, aligned at the right. Null where a term repeats a label. */
function termsOf(node: Node, ranks: readonly number[]): Terms | null {
  const [left, right] = attrString(node.attributes.get('equation'), '').replace(/\s/g, '').split('->');
  const parts = left!.split(',');
  const spread = Math.max(0, ...parts.map((p, i) => (p.includes('...') ? ranks[i]! - (p.length - 3) : 0)));
  const expand = (term: string, extra: number): string[] => {
    const at = term.indexOf('...');
    if (at < 0) return [...term];
    const dots = Array.from({ length: extra }, (_, i) => `.${spread - extra + i}`);
    return [...term.slice(0, at), ...dots, ...term.slice(at + 3)];
  };
  const inputs = parts.map((p, i) => expand(p, p.includes('...') ? ranks[i]! - (p.length - 3) : 0));
  const counts = new Map<string, number>();
  for (const l of inputs.flat()) counts.set(l, (counts.get(l) ?? 0) + 1);
  const implicit = [...counts].filter(([l, n]) => n === 1 && !l.startsWith('.')).map(([l]) => l);
  const output =
    right === undefined
      ? [...Array.from({ length: spread }, (_, i) => `.${i}`), ...implicit.sort()]
      : expand(right, spread);
  return inputs.some((t) => new Set(t).size < t.length) ? null : { inputs, output };
}

/**
 * A label of the output passes through. A label that two terms share and the output lacks is summed over, like the
 * inner axis of a product.
 */
function relate(ctx: PruneContext): void {
  const { node } = ctx;
  const y = node.output();
  const shapes = node.inputs.map((v) => ctx.shape(v!));
  const terms = termsOf(
    node,
    shapes.map((s) => s.length),
  );
  if (!terms) return;
  const labels = new Set(terms.inputs.flat());
  for (const label of labels) {
    const at = terms.inputs.flatMap((t, i) =>
      t.includes(label) ? [{ value: node.input(i)!, axis: t.indexOf(label) }] : [],
    );
    const out = terms.output.indexOf(label);
    const wide = at.filter((a) => ctx.shape(a.value)[a.axis]! > 1);
    if (out >= 0) for (const a of wide) ctx.same(a, { value: y, axis: out });
    else if (wide.length === 1) ctx.reduce(wide[0]!, 'sum');
    else
      for (const b of wide.slice(1)) {
        const [activation, weight] = wide[0]!.value.isInitializer ? [b, wide[0]!] : [wide[0]!, b];
        ctx.sink(activation, weight);
      }
  }
}

/** For two terms: the gradient of one is the other times dY, with the labels of the first as output. */
function grad(ctx: GradContext): (Value | null)[] {
  const { b, node } = ctx;
  const dY = ctx.dY();
  if (!dY) return node.inputs.map(() => null);
  const shapes = node.inputs.map((v) => ctx.shape(v!));
  const terms = termsOf(
    node,
    shapes.map((s) => s.length),
  );
  // Replaces labels of an ellipsis by letters that the equation does not use.
  const used = new Set(terms?.inputs.flat());
  const free = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter((l) => !used.has(l));
  const letter = new Map([...used].map((l, i) => [l, l.startsWith('.') ? free[i]! : l]));
  const spell = (t: readonly string[]): string => t.map((l) => letter.get(l)).join('');
  return node.inputs.map((_, i) => {
    if (!ctx.needs(i)) return null;
    if (!terms || terms.inputs.length > 2) throw new Error('gradient of an Einsum of more than two terms');
    const others = terms.inputs.flatMap((t, k) => (k === i ? [] : [{ t, v: node.input(k)! }]));
    const own = terms.inputs[i]!;
    const known = new Set([...terms.output, ...others.flatMap((o) => o.t)]);
    if (own.some((l) => !known.has(l))) throw new Error('gradient of an Einsum that sums over a label of one term');
    const equation = `${[terms.output, ...others.map((o) => o.t)].map(spell).join(',')}->${spell(own)}`;
    return b.op('Einsum', [dY, ...others.map((o) => o.v)], { equation: str(equation) });
  });
}

const extents = (terms: Terms, shape: (i: number) => readonly number[]): Map<string, number> => {
  const out = new Map<string, number>();
  terms.inputs.forEach((t, i) => t.forEach((l, k) => out.set(l, Math.max(out.get(l) ?? 1, shape(i)[k]!))));
  return out;
};

const example = (name: string, equation: string, ...inputs: OperatorDef['examples'][number]['inputs']) => ({
  name,
  attributes: [['equation', str(equation)]] as const,
  inputs,
});

export const operator: OperatorDef = {
  opType: 'Einsum',
  shape: (ctx) => {
    const shapes = ctx.node.inputs.map((_, i) => ctx.in(i)!);
    const terms = termsOf(
      ctx.node,
      shapes.map((s) => s.length),
    );
    if (!terms) return [null];
    const size = extents(terms, (i) => shapes[i]!);
    return [terms.output.map((l) => size.get(l)!)];
  },
  macs: (ctx) => {
    const shapes = ctx.node.inputs.map((_, i) => ctx.in(i)!);
    const terms = termsOf(
      ctx.node,
      shapes.map((s) => s.length),
    );
    return terms && shapes.length > 1 ? [...extents(terms, (i) => shapes[i]!).values()].reduce((a, b) => a * b, 1) : 0;
  },
  prune: { relate },
  grad,
  examples: [
    example('product of matrices', 'ij,jk->ik', x([3, 4]), w([4, 5])),
    example('attention scores', 'bhid,bhjd->bhij', x([2, 3, 4, 5]), x([2, 3, 4, 5])),
    example('ellipsis', '...ij,jk->...ik', x([2, 3, 4]), w([4, 5])),
    example('no arrow', 'ij,jk', x([3, 4]), x([4, 2])),
    example('permuted', 'ijk->kij', x([2, 3, 4])),
  ],
};
