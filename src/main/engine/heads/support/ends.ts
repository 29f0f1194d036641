/** Evidence about an output from the end of its graph: the last operators that compute something. */
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { traitsOf } from '../../ops/registry.ts';
import type { Yields } from '../../ops/traits.ts';

/**
 * Kind of the last operator's result: `Yields` of the operator, or the result of a normalization or a linear operator.
 */
export type End = Yields | 'normalized' | 'linear' | 'other';

export interface GraphEnd {
  readonly end: End;
  /** Operator name. */
  readonly operator: string;
  /** Axis of a Softmax, unless moved since; counted from the front, or negative. */
  readonly axis: number | null;
  /** Names on the way: of the output, and of the nodes that compute it. */
  readonly names: readonly string[];
  /** True where the value was resized on the way. */
  readonly resized: boolean;
}

/** Maximum number of operators between a divisor and its source. */
const DEPTH = 10;

export function graphEnd(output: Value): GraphEnd {
  const names = [output.name];
  let [at, moved, resized] = [output, false, false];
  for (let steps = 0; steps < 32; steps++) {
    const node = at.producer;
    if (!node) break;
    names.push(node.name);
    const { movement } = traitsOf(node);
    if (isPassive(node)) {
      moved ||= movement !== undefined && movement !== 'as-is' && movement !== 'resampled';
      resized ||= movement === 'resampled';
      const from = node.input(0);
      if (!from || from.isInitializer) break;
      names.push(from.name);
      at = from;
      continue;
    }
    const end = kindOf(node);
    const given = node.attributes.get('axis');
    const axis = end === 'softmax' && !moved ? (given?.kind === 'int' ? Number(given.value) : null) : null;
    return { end, operator: node.opType, axis, names, resized };
  }
  return { end: 'other', operator: '', axis: null, names, resized };
}

/**
 * True for nodes that change order, type or resolution of one input, which keeps the meaning. Selection by data changes
 * it.
 */
function isPassive(node: Node): boolean {
  const { movement, quantizes, sizeInputs = [] } = traitsOf(node);
  if (quantizes) return true;
  const fixed = node.inputs.every((v, i) => i === 0 || !v || v.isInitializer || sizeInputs.includes(i));
  return movement === 'part' ? fixed : movement !== undefined && movement !== 'joined';
}

const isLinear = (node: Node): boolean => {
  const { linear, integerLinear } = traitsOf(node);
  return linear !== undefined || integerLinear === true;
};

function kindOf(node: Node): End {
  const { yields, scaleInput } = traitsOf(node);
  if (yields) return yields;
  if (scaleInput !== undefined) return 'normalized';
  if (isLinear(node)) return 'linear';
  // A bias added by a separate node.
  if (node.key === 'Add' && node.inputs.some((v) => v?.isInitializer)) {
    const before = node.inputs.find((v) => v && !v.isInitializer)?.producer;
    return before && isLinear(before) ? 'linear' : 'other';
  }
  if (node.key === 'Log') return node.input(0)?.producer?.key === 'Softmax' ? 'softmax' : 'other';
  if (node.key === 'Sub') return comesFrom(node.input(1), node.input(0), ['ReduceLogSumExp']) ? 'softmax' : 'other';
  if (node.key === 'Div' || node.key === 'Mul') {
    const [a, b] = [node.input(0), node.input(1)];
    if (a?.producer?.key === 'Exp' && comesFrom(b, a, ['ReduceSum'])) return 'softmax';
    if (isLength(b, a) || (node.key === 'Mul' && isLength(a, b))) return 'unit-length';
  }
  return 'other';
}

/** True where `v` is the Euclidean length of `of`, or computed from it. */
const isLength = (v: Value | null, of: Value | null): boolean =>
  comesFrom(v, of, ['ReduceL2']) ||
  comesFrom(v, of, ['ReduceSumSquare']) ||
  (comesFrom(v, of, ['ReduceSum']) && (comesFrom(v, of, ['Sqrt']) || comesFrom(v, of, ['Pow'])));

/** True where `v` is computed from `of` within a few operators, through one of `through`. */
function comesFrom(v: Value | null, of: Value | null, through: readonly string[]): boolean {
  const walk = (at: Value | null, seen: boolean, depth: number): boolean => {
    if (!at || depth > DEPTH) return false;
    if (at === of) return seen;
    const node = at.producer;
    if (!node) return false;
    return node.inputs.some((x) => walk(x, seen || through.includes(node.key), depth + 1));
  };
  return of !== null && walk(v, false, 0);
}
