import { cholesky, choleskySolve, choleskySolveT, matmul, submatrix, symmetricNT } from '../linalg.ts';
import type { Criterion, CriterionContext } from './contract.ts';
import { inverseHessian, layerProblems, squaredNorm, type LayerProblem } from './support/least-squares.ts';
import { matrixMembers, unitSums } from './support/tensors.ts';

/** Number of rounds of removal. Scores inside one round come from the same inverse. */
const ROUNDS = 24;

/** State of one consumer: the remaining rows, their weights and the inverse of their Hessian. */
interface State {
  rows: number[];
  weights: Float64Array;
  inverse: Float64Array;
  readonly width: number;
  readonly unitOf: Int32Array;
  /** 1 / output energy, so that consumers of one group are weighted by relative error. */
  readonly scale: number;
}

/**
 * Backward selection for layer-wise reconstruction: H = X'X + damping of the consumer's input; removing unit g costs
 * 1/2 tr(W_g' [(H^-1)_gg]^-1 W_g) when all other weights are refitted. Units are removed in rounds, cheapest first, and
 * W and H^-1 are updated after each (Meng et al., "OSSCAR: One-Shot Structured Pruning in Vision and Language Models
 * with Combinatorial Optimization", ICML 2024). The score is the cost at the time of removal, never below an earlier
 * one. Where the moments of all kernel positions are known, each position of a channel is a separate row, and the bias
 * is refitted too. Elsewhere, the Gram of the input channels is used, with all positions refitted alike.
 */
export const criterion: Criterion = {
  name: 'osscar',
  summary: 'Reconstruction error of the consumers after refitting (OSSCAR)',
  needs: 'gram',
  score(ctx) {
    const problems = layerProblems(ctx);
    // Without a constant consumer there is nothing to reconstruct, so magnitude decides.
    if (!problems.length) return unitSums(ctx.group.units, matrixMembers(ctx.group), (w) => w * w).map(Math.sqrt);
    const fixed = new Float64Array(ctx.group.units);
    for (const p of problems) if (!p.gram) addUncorrelated(p, fixed);
    return backwardSelection(
      ctx,
      problems.flatMap((p) => (p.gram ? [stateOf(p, p.gram)] : [])),
      fixed,
    );
  },
};

const scaleOf = (p: LayerProblem): number => (p.energy > 0 ? 1 / p.energy : 1);

/** Adds a consumer too wide for a Gram: its channels count as uncorrelated, so nothing can be refitted. */
function addUncorrelated(p: LayerProblem, cost: Float64Array): void {
  p.unitOf.forEach((u, i) => {
    if (u >= 0) cost[u]! += 0.5 * p.meanSquare[i]! * squaredNorm(p.weights, i * p.width, p.width) * scaleOf(p);
  });
}

function stateOf(p: LayerProblem, gram: Float64Array): State {
  return {
    rows: [...p.unitOf.keys()],
    weights: p.weights.slice(),
    inverse: inverseHessian(gram, p.columns, p.damping).slice(),
    width: p.width,
    unitOf: p.unitOf,
    scale: scaleOf(p),
  };
}

/** @param fixed cost of each unit in consumers without a Gram */
function backwardSelection({ group }: CriterionContext, states: readonly State[], fixed: Float64Array): Float64Array {
  const scores = new Float64Array(group.units);
  const left = Array.from({ length: group.units }, (_, u) => u);
  let floor = 0;
  while (left.length) {
    const cost = fixed.slice();
    for (const s of states) addCosts(s, cost);
    left.sort((a, b) => cost[a]! - cost[b]! || a - b);
    const going = left.splice(0, Math.ceil(group.units / ROUNDS));
    // Equal scores inside the monotone envelope keep the order of removal.
    for (const u of going) scores[u] = floor = Math.max(floor * (1 + 1e-12), cost[u]!);
    if (!left.length) break;
    const gone = new Set(going);
    for (const s of states) remove(s, gone);
  }
  return scores;
}

/** Positions (in the state's rows) of every remaining unit. */
function positions(s: State): Map<number, number[]> {
  const out = new Map<number, number[]>();
  s.rows.forEach((row, at) => {
    const u = s.unitOf[row]!;
    if (u < 0) return;
    const list = out.get(u);
    if (list) list.push(at);
    else out.set(u, [at]);
  });
  return out;
}

function addCosts(s: State, cost: Float64Array): void {
  const n = s.rows.length,
    { width } = s;
  for (const [u, at] of positions(s)) {
    let total = 0;
    if (at.length === 1) {
      total = squaredNorm(s.weights, at[0]! * width, width) / s.inverse[at[0]! * n + at[0]!]!;
    } else {
      const w = rowsOf(s.weights, width, at);
      const solved = choleskySolve(factorOf(submatrix(s.inverse, n, at, at), at.length), w, at.length, width);
      for (let k = 0; k < w.length; k++) total += w[k]! * solved[k]!;
    }
    cost[u]! += 0.5 * total * s.scale;
  }
}

/** W -= H^-1[:,P] (H^-1[P,P])^-1 W[P]; H^-1 likewise; then the rows P are dropped. */
function remove(s: State, units: ReadonlySet<number>): void {
  const n = s.rows.length;
  const gone: number[] = [],
    stay: number[] = [];
  s.rows.forEach((row, at) => (units.has(s.unitOf[row]!) ? gone : stay).push(at));
  if (!gone.length) return;
  const columns = submatrix(s.inverse, n, stay, gone);
  const factor = factorOf(submatrix(s.inverse, n, gone, gone), gone.length);
  const gain = choleskySolveT(factor, columns, gone.length, stay.length);
  const weights = rowsOf(s.weights, s.width, stay),
    inverse = submatrix(s.inverse, n, stay, stay);
  const dW = matmul(gain, rowsOf(s.weights, s.width, gone), stay.length, s.width, gone.length);
  const dH = symmetricNT(gain, columns, stay.length, gone.length);
  for (let i = 0; i < weights.length; i++) weights[i]! -= dW[i]!;
  for (let i = 0; i < inverse.length; i++) inverse[i]! -= dH[i]!;
  s.rows = stay.map((at) => s.rows[at]!);
  s.weights = weights;
  s.inverse = inverse;
}

function rowsOf(a: Float64Array, width: number, rows: readonly number[]): Float64Array {
  const out = new Float64Array(rows.length * width);
  rows.forEach((r, i) => out.set(a.subarray(r * width, (r + 1) * width), i * width));
  return out;
}

/**
 * Sub-blocks of a positive definite inverse are positive definite. Rounding over many updates may require a small
 * addition to the diagonal.
 */
function factorOf(a: Float64Array, n: number): Float64Array {
  for (let nudge = 0; ; nudge = nudge ? nudge * 10 : 1e-12) {
    const copy = a.slice();
    for (let i = 0; i < n; i++) copy[i * n + i]! *= 1 + nudge;
    const l = cholesky(copy, n);
    if (l) return l;
    if (nudge > 1e3) throw new RangeError('the Gram matrix of a consumer is not finite');
  }
}
