/** What the end of a graph says about an output: the last operators that compute something. */
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';

export type End =
  'softmax' | 'sigmoid' | 'tanh' | 'argmax' | 'unit-length' | 'normalized' | 'pooled' | 'linear' | 'other';

export interface GraphEnd {
  readonly end: End;
  /** The operator, as it is called. */
  readonly operator: string;
  /** Axis of a Softmax where nothing moved it since; counted from the front, or negative. */
  readonly axis: number | null;
  /** Names on the way: of the output, of what makes it. */
  readonly names: readonly string[];
  /** True where something was resized on the way. */
  readonly resized: boolean;
}

/** What changes places or types, never values. */
const PASSIVE = new Set([
  'Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Dropout', 'QuantizeLinear',
  'DequantizeLinear', 'Resize', 'Upsample', 'Slice', 'DepthToSpace',
]); // prettier-ignore
const MOVES = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Slice']);
const LINEAR = new Set(['Gemm', 'MatMul', 'Conv', 'ConvTranspose', 'MatMulInteger', 'QLinearMatMul', 'QLinearConv']);
const KINDS: Readonly<Record<string, End>> = {
  Softmax: 'softmax',
  LogSoftmax: 'softmax',
  Sigmoid: 'sigmoid',
  HardSigmoid: 'sigmoid',
  Tanh: 'tanh',
  ArgMax: 'argmax',
  LpNormalization: 'unit-length',
  BatchNormalization: 'normalized',
  LayerNormalization: 'normalized',
  GlobalAveragePool: 'pooled',
  GlobalMaxPool: 'pooled',
  ReduceMean: 'pooled',
};
/** How far back a divisor is followed. */
const DEPTH = 10;

export function graphEnd(output: Value): GraphEnd {
  const names = [output.name];
  let [at, moved, resized] = [output, false, false];
  for (let steps = 0; steps < 32; steps++) {
    const node = at.producer;
    if (!node) break;
    names.push(node.name);
    if (PASSIVE.has(node.key)) {
      moved ||= MOVES.has(node.key);
      resized ||= node.key === 'Resize' || node.key === 'Upsample';
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

function kindOf(node: Node): End {
  const known = KINDS[node.key];
  if (known) return known;
  if (LINEAR.has(node.key)) return 'linear';
  // A bias that is added by a node of its own.
  if (node.key === 'Add' && node.inputs.some((v) => v?.isInitializer)) {
    const before = node.inputs.find((v) => v && !v.isInitializer)?.producer;
    return before && LINEAR.has(before.key) ? 'linear' : 'other';
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

/** True where `v` is the Euclidean length of `of`, or something made of it. */
const isLength = (v: Value | null, of: Value | null): boolean =>
  comesFrom(v, of, ['ReduceL2']) ||
  comesFrom(v, of, ['ReduceSumSquare']) ||
  (comesFrom(v, of, ['ReduceSum']) && (comesFrom(v, of, ['Sqrt']) || comesFrom(v, of, ['Pow'])));

/** True where `v` is made from `of`, a few operators back, through one of these. */
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
