/**
 * Reductions in a masked model: sums, means and normalizations over the remaining units, so that a masked unit has no
 * influence.
 */
import { GraphBuilder } from '../../autodiff/builder.ts';
import { attrFloat, int } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import type { Reduction } from './types.ts';
import { traitsOf } from '../../ops/registry.ts';

export interface MaskedReduction {
  readonly reduction: Reduction;
  /** The node's copy in the masked model, and the copy of its reduced input. */
  readonly node: Node;
  readonly activation: Value;
  /** Float32, as long as the axis: 1 for units that stay, 0 for masked ones. */
  readonly vector: Value;
}

/** Masks the reductions of one node, over one or several axes. Changes the graph of the node in place. */
export function maskReductions(all: readonly MaskedReduction[], facts: Facts, opset: number): void {
  for (const [node, of] of Map.groupBy(all, (r) => r.node)) {
    const { reduction, activation } = of[0]!;
    const fact = facts.get(reduction.activation)!;
    const b = new GraphBuilder(node.graph!, opset);
    b.before = node;
    const cast = (v: Value): Value => (fact.dtype === DType.FLOAT ? v : b.cast(v, fact.dtype));
    // The original count divided by the remaining count.
    const scales = of.map(({ vector, reduction: { axis } }) =>
      b.div(b.scalar(fact.shape[axis]!), b.op('ReduceSum', [vector], { keepdims: int(0) })),
    );
    const shaped = of.map(({ vector, reduction: { axis } }) =>
      cast(
        b.reshape(
          vector,
          fact.shape.map((n, i) => (i === axis ? n : 1)),
        ),
      ),
    );
    const masked = shaped.reduce((v, m) => b.mul(v, m), activation);
    if (reduction.how === 'normalize') {
      normalizeMasked(b, node, masked, shaped[0]!, cast(scales[0]!), fact.shape.length - 1);
      continue;
    }
    node.inputs.forEach((v, i) => {
      if (v === activation) node.setInput(i, masked);
    });
    if (reduction.how === 'mean') rescale(node, cast(scales.reduce((s, t) => b.mul(s, t))));
  }
}

/** Multiplies the node's output by the scale for all of its readers. */
function rescale(node: Node, scale: Value): void {
  const graph = node.graph!;
  const y = node.output();
  const next = node.next;
  const [product] = graph.emit('Mul', [y, scale], { outputName: `${y.name}_rescaled`, ...(next && { before: next }) });
  for (const { node: reader, index } of y.uses()) if (reader !== product!.producer) reader.setInput(index, product!);
  graph.outputs.forEach((v, i) => {
    if (v === y) graph.outputs[i] = product!;
  });
}

/** A normalization over the unmasked part of the last axis: with or without a mean, of a sum or of one value. */
function normalizeMasked(b: GraphBuilder, node: Node, masked: Value, mask: Value, scale: Value, axis: number): void {
  const { normalization, scaleInput } = traitsOf(node);
  const { centred, residual, shift, bias, sum: given, epsilon: usual } = normalization!;
  const at = (i: number | null): Value | null => (i === null ? null : node.input(i));
  const epsilon = b.scalar(attrFloat(node.attributes.get('epsilon'), usual));
  let sum = node.input(0)!;
  for (const addend of [at(residual), at(bias)]) if (addend) sum = b.add(sum, addend);
  const x = residual === null ? masked : b.mul(sum, mask);
  const mean = (v: Value): Value => b.mul(b.reduceMean(v, [axis], true), scale);
  const deviation = centred ? b.mul(b.sub(x, mean(x)), mask) : x;
  const unit = b.div(deviation, b.sqrt(b.add(mean(b.mul(deviation, deviation)), epsilon)));
  const scaled = b.mul(unit, at(scaleInput!)!);
  const beta = at(shift);
  replace(b, node.output(), beta ? b.add(scaled, beta) : scaled);
  const out = given === null ? null : node.outputs[given];
  if (out?.name) replace(b, out, sum);
}

function replace({ graph }: GraphBuilder, out: Value, by: Value): void {
  for (const { node: reader, index } of out.uses()) reader.setInput(index, by);
  graph.outputs.forEach((v, i) => {
    if (v === out) graph.outputs[i] = by;
  });
}
