/** Scaled products of the last token's query with keys, as criteria read them, from the values of one layer. */
import { SecateurError } from '../../../../../shared/contract/errors.ts';
import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { attrFloat } from '../../../ir/attribute.ts';
import { DType } from '../../../ir/dtype.ts';
import type { Node } from '../../../ir/node.ts';
import type { Value } from '../../../ir/value.ts';
import { traitsOf } from '../../../ops/registry.ts';
import { dataOf } from './flow.ts';
import { headsOf, isPacked, keysOf, queriesOf, rotate } from './heads.ts';
import { lengthOf } from './length.ts';
import { Replay } from './tail.ts';
import type { Attention, DecoderLayer, Rotation } from './types.ts';

/** Maximum number of operators between a key and a product, and between a product and a softmax. */
const STEPS = 12;

/** Float [1, h, 1, S], without rotary positions. @throws SecateurError 'plan-invalid' */
export function unrotatedScores(b: GraphBuilder, { index, attention: a }: DecoderLayer): Value {
  const plain = ({ before, after, end }: Rotation): Value => {
    if (before) return new Replay(b.graph, new Map([[after, before]])).of(end);
    const reason = `queries or keys of layer ${index} have no single value before rotary positions`;
    throw new SecateurError('plan-invalid', { reason });
  };
  return scoresOf(b, a, lastByHead(b, a, plain(a.query)), byHead(b, a, plain(a.key)));
}

/** Float [1, h, 1, P + S] of a layer that is computed whole. @param positions int64 [1, S], where the operator rotates */
export function rotatedScores(b: GraphBuilder, a: Attention, positions: Value | null): Value {
  return scoresOf(b, a, rotatedQuery(b, a, a.query.end, positions), a.present[0]);
}

/**
 * Float [1, h, 1, P + S] of the layer behind a cut, whose queries and keys are computed from all tokens before any is
 * dropped.
 */
export function earlyScores(b: GraphBuilder, { attention: a, frontier }: DecoderLayer, positions: Value | null): Value {
  const early = new Replay(b.graph, new Map(frontier.map((v) => [v, v])));
  const query = rotatedQuery(b, a, early.of(a.query.end), positions);
  const entering = byHead(b, a, early.of(a.key.end));
  const keys = a.rotatesInside
    ? rotate(b, a.node, a.ports!, entering, headsOf(a.node, a.ports!).key, positions!)
    : entering;
  return scoresOf(b, a, query, b.concat([a.past[0], keys], 2));
}

function rotatedQuery(b: GraphBuilder, a: Attention, query: Value, positions: Value | null): Value {
  const last = lastByHead(b, a, query);
  if (!a.rotatesInside) return last;
  return rotate(b, a.node, a.ports!, last, headsOf(a.node, a.ports!).query, b.slice(positions!, [-1], [END], [1]));
}

const END = Number.MAX_SAFE_INTEGER;

/** [1, h, 1, d]: the query of the last token. */
function lastByHead(b: GraphBuilder, a: Attention, query: Value): Value {
  if (!a.ports) return b.slice(query, [-1], [END], [2]);
  const heads = headsOf(a.node, a.ports).query;
  const last = b.slice(query, [-1], [END], [heads === 0 ? 2 : 1]);
  // One token by head is in the same order.
  return heads === 0 || isPacked(a.node) ? queriesOf(b, a.node, a.ports, last) : b.reshape(last, [1, heads, 1, -1]);
}

const byHead = (b: GraphBuilder, a: Attention, key: Value): Value => (a.ports ? keysOf(b, a.node, a.ports, key) : key);

/** @param query [1, h, 1, d] @param keys [1, g, T, d], where h is a multiple of g */
function scoresOf(b: GraphBuilder, a: Attention, query: Value, keys: Value): Value {
  const floats = b.cast(keys, DType.FLOAT);
  const k = a.product ? scaled(b, a.product.input(1)!, a.present[0], floats) : floats;
  const size = (axis: number): Value => {
    const known = a.past[0].type?.shape?.[axis];
    return typeof known === 'number' ? b.ints([known]) : lengthOf(b, k, axis);
  };
  const groups = a.past[0].type?.shape?.[1];
  const grouped =
    typeof groups === 'number'
      ? b.reshape(query, [1, groups, -1, 0])
      : b.op('Reshape', [query, b.concat([b.ints([1]), size(1), b.ints([-1, 0])], 0)]);
  const products = b.matmul(b.cast(grouped, DType.FLOAT), b.transpose(k, [0, 1, 3, 2]));
  const flat = b.reshape(products, [1, -1, 1, 0]);
  return a.product ? scaled(b, a.node.input(0)!, a.product.output(), flat) : fusedScale(b, a.node, flat, size(3));
}

/** Scale and soft cap of a fused operator; without a scale, 1 / sqrt(d). @param size int64 [1]: d */
function fusedScale(b: GraphBuilder, node: Node, scores: Value, size: Value): Value {
  const scale = attrFloat(node.attributes.get('scale'), 0);
  const cap = attrFloat(node.attributes.get('softcap'), 0);
  const y = scale ? b.mul(scores, b.scalar(scale)) : b.div(scores, b.sqrt(b.cast(size, DType.FLOAT)));
  return cap ? b.mul(b.op('Tanh', [b.div(y, b.scalar(cap))]), b.scalar(cap)) : y;
}

/**
 * Applies the factors and functions between two values of the graph to a third one, which is float32. Masks, which are added or chosen, are
 * left out.
 */
function scaled(b: GraphBuilder, end: Value, start: Value, on: Value): Value {
  let y = on;
  for (const { node, from } of stepsBetween(end, start, STEPS) ?? []) {
    const { elementwise, sum } = traitsOf(node);
    if (sum || (elementwise !== 'arithmetic' && elementwise !== 'function')) continue;
    const inputs = node.inputs.map((v) => (v === from ? y : v && b.cast(v, DType.FLOAT)));
    y = b.op(node.opType, inputs, Object.fromEntries(node.attributes), node.domain);
  }
  return y;
}

/** Operators from `start` to `end`, each with the input that leads back to `start`. */
function stepsBetween(end: Value, start: Value, left: number): { node: Node; from: Value }[] | null {
  if (end === start) return [];
  const node = end.producer;
  if (!node || left === 0) return null;
  for (const from of dataOf(node)) {
    const before = stepsBetween(from, start, left - 1);
    if (before) return [...before, { node, from }];
  }
  return null;
}
