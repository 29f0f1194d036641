/**
 * Resolves lists of tensors (ONNX sequences) with known entries: a reader of an entry gets the tensor itself, and a
 * joined list becomes a Concat. Lists that grow with the data, or are split at run-time sizes, stay.
 */
import { attrInt, int, ints } from '../ir/attribute.ts';
import type { Facts } from '../ir/facts.ts';
import type { Graph } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { i64 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { fixedNumbers, takePlace } from './sequences.ts';

type List = readonly Value[];

/** Longer lists stay, because every entry would be a separate output. */
const LONGEST = 1024;

/**
 * Changes the model in place.
 * @param facts of this model
 * @returns number of list readers replaced
 */
export function takeSequences(model: Model, facts: Facts): number {
  const { graph } = model;
  const lists = new Map<Value, List>();
  let count = 0;
  for (const node of [...graph.nodes()]) {
    const list = listOf(model, node, lists, facts);
    if (list) {
      lists.set(node.output(), list);
      continue;
    }
    const read = node.input(0) ? lists.get(node.input(0)!) : undefined;
    const result = read && readingOf(model, node, read, facts);
    if (!result) continue;
    const after = node.next;
    const out = node.output();
    graph.remove(node, true);
    takePlace(graph, after, out, result);
    count++;
  }
  return count;
}

/** The entries of the list that a node makes; null for any other node, and where they are unknown. */
function listOf(model: Model, node: Node, lists: ReadonlyMap<Value, List>, facts: Facts): List | null {
  const from = node.input(0) ? (lists.get(node.input(0)!) ?? null) : null;
  /** Resolves an optional position among `places`; negative ones count from the end. */
  const place = (v: Value | null, places: number, otherwise: number): number | null => {
    const at = v ? fixedNumbers(v, facts)?.[0] : otherwise;
    if (at === undefined || at >= places || at < -places) return null;
    return at < 0 ? at + places : at;
  };
  switch (node.key) {
    case 'SequenceEmpty':
      return [];
    case 'SequenceConstruct':
      return node.inputs.every((v) => v !== null) ? node.inputs.map((v) => v!) : null;
    case 'Identity':
      return from;
    case 'SequenceInsert': {
      // Inserted at the end by default; a position may also name the end.
      const last = from?.length ?? 0;
      const given = node.input(2) ? fixedNumbers(node.input(2)!, facts)?.[0] : last;
      const at = given === last ? last : place(node.input(2), last, last);
      return from && at !== null ? from.toSpliced(at, 0, node.input(1)!) : null;
    }
    case 'SequenceErase': {
      const at = from && place(node.input(1), from.length, from.length - 1);
      return from && at !== null ? from.toSpliced(at!, 1) : null;
    }
    case 'SplitToSequence':
      return partsOf(model, node, facts);
    default:
      return null;
  }
}

/** The parts of a tensor that is split at fixed sizes; null where a size follows the inputs. */
function partsOf(model: Model, node: Node, facts: Facts): List | null {
  const graph = node.graph!;
  const x = node.input(0)!;
  const fact = facts.get(x);
  if (!fact) return null;
  const rank = fact.shape.length;
  const given = attrInt(node.attributes.get('axis'), 0);
  const axis = given < 0 ? given + rank : given;
  const extent = fact.shape[axis]!;
  if (fact.dynamic?.[axis] != null) return null;
  const wanted = node.input(1) ? fixedNumbers(node.input(1)!, facts) : [1];
  if (!wanted || wanted.some((n) => n < 0)) return null;
  const scalar = !node.input(1) || (facts.get(node.input(1)!)?.shape ?? []).length === 0;
  if (scalar && !(wanted[0]! > 0)) return null;
  const sizes = scalar
    ? Array.from({ length: Math.ceil(extent / wanted[0]!) }, (_, i) => Math.min(wanted[0]!, extent - i * wanted[0]!))
    : wanted;
  if (sizes.length === 0 || sizes.length > LONGEST || sizes.reduce((a, b) => a + b, 0) !== extent) return null;
  const given13 = model.opset >= 13;
  const parts = graph.emit('Split', given13 ? [x, ints64(graph, sizes)] : [x], {
    attributes: [['axis', int(axis)], ...(given13 ? [] : [['split', ints(sizes)] as const])],
    outputs: sizes.length,
    outputName: `${node.output().name}_part`,
    before: node,
  });
  if (node.input(1) || attrInt(node.attributes.get('keepdims'), 1) !== 0) return parts;
  return parts.map((p) => reaxis(model, node, 'Squeeze', p, axis));
}

/** The result of a reader of a known list; null for any other node, and where it is unknown. */
function readingOf(model: Model, node: Node, list: List, facts: Facts): Value | null {
  const graph = node.graph!;
  switch (node.key) {
    case 'SequenceAt': {
      const at = fixedNumbers(node.input(1)!, facts)?.[0];
      return at === undefined ? null : (list.at(at) ?? null);
    }
    case 'SequenceLength':
      return graph.addInitializer(graph.freshName('length'), i64([list.length], []));
    case 'ConcatFromSequence': {
      if (list.length === 0) return null;
      const axis = attrInt(node.attributes.get('axis'), 0);
      const stacks = attrInt(node.attributes.get('new_axis'), 0) === 1;
      const entries = stacks ? list.map((v) => reaxis(model, node, 'Unsqueeze', v, axis)) : list;
      const options = { attributes: [['axis', int(axis)]] as const, outputName: node.output().name, before: node };
      return graph.emit('Concat', entries, options)[0]!;
    }
    default:
      return null;
  }
}

const ints64 = (graph: Graph, values: readonly number[]): Value =>
  graph.addInitializer(graph.freshName('sizes'), i64(values));

/** Adds or removes one axis of size 1 before `before`. */
function reaxis(model: Model, before: Node, op: 'Squeeze' | 'Unsqueeze', v: Value, axis: number): Value {
  const graph = before.graph!;
  const input = model.opset >= 13;
  return graph.emit(op, input ? [v, ints64(graph, [axis])] : [v], {
    attributes: input ? [] : [['axes', ints([axis])]],
    outputName: `${v.name}_${op.toLowerCase()}`,
    before,
  })[0]!;
}
