/**
 * Bodies that run as part of the surrounding graph: those of Loop and Scan. Values in them have units like all others.
 * Bodies within bodies are not followed, nor are the branches of an If, of which one run executes only one.
 */
import { traitsOf } from '../ops/registry.ts';
import { attrInt, attrInts } from './attribute.ts';
import type { Graph } from './graph.ts';
import type { Node } from './node.ts';
import type { Value } from './value.ts';

/** Links between the values around a body and those in it. */
export interface BodyLinks {
  readonly body: Graph;
  /** Values carried from one iteration to the next; the four have one shape. */
  readonly carried: readonly { initial: Value; input: Value; output: Value; last: Value | null }[];
  /** Read slice by slice along an axis. */
  readonly sliced: readonly { whole: Value; axis: number; slice: Value }[];
  /** Concatenated slice by slice along an axis. */
  readonly stacked: readonly { whole: Value; axis: number; slice: Value }[];
}

/** The body of a Loop or Scan, null for every other node. */
export function bodyOf(node: Node): Graph | null {
  if (!traitsOf(node).body) return null;
  const a = node.attributes.get('body');
  return a?.kind === 'graph' ? a.value : null;
}

/**
 * The links of a Loop or Scan (operator set 9 and later), or null where the counts do not match. Source:
 * onnx/docs/Operators.md, Loop and Scan.
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

/** Every node of the graph and of its bodies, in execution order: nodes of a body come before the node that runs it. */
export function* everyNode(graph: Graph): Generator<Node> {
  for (const node of graph.nodes()) {
    const body = bodyOf(node);
    if (body) yield* body.nodes();
    yield node;
  }
}

/** Every value of the graph and of its bodies. */
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
