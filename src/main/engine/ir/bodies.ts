/**
 * Bodies that run as a part of the graph around them: those of Loop and Scan. What is in them has units like everything
 * else. Bodies within bodies, and the branches of an If, of which one run sees only one, are not looked into.
 */
import { traitsOf } from '../ops/registry.ts';
import { attrInt, attrInts } from './attribute.ts';
import type { Graph } from './graph.ts';
import type { Node } from './node.ts';
import type { Value } from './value.ts';

/** How the values around a body meet those in it. */
export interface BodyLinks {
  readonly body: Graph;
  /** Carried from one iteration to the next: the four have one shape. */
  readonly carried: readonly { initial: Value; input: Value; output: Value; last: Value | null }[];
  /** Read slice by slice along an axis. */
  readonly sliced: readonly { whole: Value; axis: number; slice: Value }[];
  /** Put together slice by slice along an axis. */
  readonly stacked: readonly { whole: Value; axis: number; slice: Value }[];
}

/** The body of a Loop or Scan, null for every other node. */
export function bodyOf(node: Node): Graph | null {
  if (!traitsOf(node).body) return null;
  const a = node.attributes.get('body');
  return a?.kind === 'graph' ? a.value : null;
}

/**
 * What belongs together at a Loop or Scan (operator set 9 and later), or null where the counts do not fit.
 * Source: onnx/docs/Operators.md, Loop and Scan.
 */
export function bodyLinks(node: Node): BodyLinks | null {
  const body = bodyOf(node);
  if (!body) return null;
  const axes = (name: string): readonly number[] => attrInts(node.attributes.get(name)) ?? [];
  const { before, inside, said, slices } = traitsOf(node).body!;
  const scans = slices ? attrInt(node.attributes.get('num_scan_inputs'), 0) : 0;
  const states = body.inputs.length - inside - scans;
  if (states < 0 || node.inputs.length !== before + states + scans) return null;
  if (body.outputs.length < said + states || node.outputs.length > body.outputs.length - said) return null;
  const named = (i: number): Value | null => (node.outputs[i]?.name ? node.outputs[i] : null);
  const carried = Array.from({ length: states }, (_, i) => ({
    initial: node.input(before + i)!,
    input: body.inputs[inside + i]!,
    output: body.outputs[said + i]!,
    last: named(i),
  }));
  const sliced = Array.from({ length: scans }, (_, i) => ({
    whole: node.input(states + i)!,
    axis: axes('scan_input_axes')[i] ?? 0,
    slice: body.inputs[states + i]!,
  }));
  const stacked = body.outputs.slice(said + states).flatMap((slice, i) => {
    const whole = named(states + i);
    return whole ? [{ whole, axis: axes('scan_output_axes')[i] ?? 0, slice }] : [];
  });
  const complete = carried.every((c) => c.initial) && sliced.every((s) => s.whole);
  return complete ? { body, carried, sliced, stacked } : null;
}

/** Every node of the graph and of the bodies in it, in execution order: what is in a body before the node that runs it. */
export function* everyNode(graph: Graph): Generator<Node> {
  for (const node of graph.nodes()) {
    const body = bodyOf(node);
    if (body) yield* body.nodes();
    yield node;
  }
}

/** Every value of the graph and of the bodies in it. */
export function* everyValue(graph: Graph): Generator<Value> {
  yield* graph.values();
  yield* bodyValues(graph);
}

/** Every value in the bodies of a graph. */
export function* bodyValues(graph: Graph): Generator<Value> {
  for (const node of graph.nodes()) {
    const body = bodyOf(node);
    if (body) yield* body.values();
  }
}
