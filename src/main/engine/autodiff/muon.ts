/** Muon's additions to AdamW: selects the parameters that are matrices, and orthogonalizes a matrix. */
import { float, int } from '../ir/attribute.ts';
import { macsOf } from '../ir/costs.ts';
import { elementCount } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Value } from '../ir/value.ts';
import { traitsOf } from '../ops/registry.ts';
import type { GraphBuilder } from './builder.ts';
import type { FactsLookup } from './shapes.ts';

/** Rows and columns. */
export type MatrixShape = readonly [number, number];

/** Iterations, and the coefficients a, b and c of a X + b (XX')X + c (XX')^2 X (Jordan et al. 2024). */
const ITERATIONS = 5;
const [A, B, C] = [3.4445, -4.775, 2.0315];

/**
 * Approximates U V' of X = U S V' by Newton-Schulz iteration, which uses only matrix products. Singular values end
 * between 0.7 and 1.2.
 * @param x of shape [rows, cols]
 */
export function orthogonalized(b: GraphBuilder, x: Value, [rows, cols]: MatrixShape): Value {
  if (rows > cols) return b.transpose(orthogonalized(b, b.transpose(x, [1, 0]), [cols, rows]), [1, 0]);
  const norm = b.sqrt(b.reduceSum(b.mul(x, x), [0, 1], false));
  let y = b.div(x, b.add(norm, b.scalar(1e-12)));
  for (let k = 0; k < ITERATIONS; k++) {
    const gram = b.op('Gemm', [y, y, b.scalar(0)], { transB: int(1) });
    const factor = b.op('Gemm', [gram, gram, gram], { alpha: float(C), beta: float(B) });
    y = b.op('Gemm', [factor, y, y], { beta: float(A) });
  }
  return y;
}

/** Number of multiplications. */
function costOf([rows, cols]: MatrixShape): number {
  const [r, c] = [Math.min(rows, cols), Math.max(rows, cols)];
  return ITERATIONS * (2 * r * r * c + r ** 3);
}

/**
 * Selects the parameters that are updated as matrices: weights of dense convolutions and products inside the network,
 * cheapest first, within `share`. The output layers are left to AdamW, as the authors advise.
 */
export function matricesOf(
  model: Model,
  params: readonly Value[],
  facts: FactsLookup,
  share = 0.15,
): Map<Value, MatrixShape> {
  const known = { get: facts, has: (v: Value): boolean => facts(v) !== undefined };
  const found: { p: Value; shape: MatrixShape; cost: number; own: number }[] = [];
  for (const p of params) {
    const shape = shapeOf(p);
    const node = p.uses()[0]?.node;
    if (!shape || !node || node.output().isGraphOutput) continue;
    // Forward, and backward for the input and for the weight.
    const own = 3 * macsOf(model, node, known);
    if (own === 0) continue;
    found.push({ p, shape, cost: costOf(shape), own });
  }
  found.sort((a, b) => a.cost / a.own - b.cost / b.own);
  let left = share * found.reduce((n, f) => n + f.own, 0);
  const chosen = new Map<Value, MatrixShape>();
  for (const f of found) {
    left -= f.cost;
    if (left >= 0) chosen.set(f.p, f.shape);
  }
  return chosen;
}

/** A weight as a matrix, with output channels or input features as one axis; null for other parameters. */
function shapeOf(p: Value): MatrixShape | null {
  const uses = p.uses();
  const dims = p.initializer?.dims ?? [];
  if (uses.length !== 1 || dims.length < 2) return null;
  const { node, index } = uses[0]!;
  const matrix: MatrixShape = [dims[0]!, elementCount(dims.slice(1))];
  if (Math.min(...matrix) < 2) return null;
  const { linear } = traitsOf(node);
  if (!linear) return null;
  if (!linear.slides) return index < 2 && dims.length === 2 ? matrix : null;
  const weight = index === 1 ? linear.matrix(node, dims) : null;
  return weight && typeof weight !== 'string' && weight.groups === 1 ? matrix : null;
}
