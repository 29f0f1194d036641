/**
 * Maps each kernel of the runtime to the model's nodes. Runtimes fuse (Conv + BatchNormalization + Relu + Add) and
 * change layouts, so the timed graph and the pruned graph differ; this file links the two.
 */
import { dataDependent } from '../ir/dependence.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import { traitsOf } from '../ops/registry.ts';

export interface Kernel {
  /** Node name in the fused graph. */
  readonly name: string;
  /** The model's nodes it executes, in execution order. Empty for layout changes. */
  readonly nodes: Node[];
  /** Whether its output is in the runtime's blocked layout. */
  readonly blocked: boolean;
}

const BLOCKED_DOMAIN = 'com.microsoft.nchwc';
const BLOCKED_SUFFIX = /_nchwc(_token_\d+)?$/;

/**
 * @param fused the runtime's own dump of the optimized model, if available: it gives the value that each kernel
 *   writes
 * @param names kernels in a trace
 */
export function mapKernels(model: Model, fused: Model | null, names: readonly string[]): Map<string, Kernel> {
  const order = new Map<Node, number>();
  const byName = new Map<string, Node>();
  const byOutput = new Map<string, Node>();
  for (const node of model.graph.nodes()) {
    order.set(node, order.size);
    if (node.name) byName.set(node.name, node);
    for (const o of node.outputs) if (o.name) byOutput.set(o.name, node);
  }
  const fusedByName = new Map<string, Node>();
  if (fused) for (const node of fused.graph.nodes()) if (node.name) fusedByName.set(node.name, node);

  const kernels = new Map<string, Kernel>();
  const owner = new Map<Node, Kernel>();
  for (const name of names) {
    const dumped = fusedByName.get(name);
    const layout = /^Reorder(Input|Output)/.test(dumped?.opType ?? name);
    const blocked = !layout && (dumped?.domain === BLOCKED_DOMAIN || BLOCKED_SUFFIX.test(name));
    const kernel: Kernel = { name, nodes: [], blocked };
    kernels.set(name, kernel);
    if (layout) continue;
    const writes = dumped?.outputs.map((o) => byOutput.get(o.name)).find((n) => n !== undefined);
    const anchor = writes ?? byOutput.get(name.replace(BLOCKED_SUFFIX, '')) ?? byName.get(name);
    if (anchor && !owner.has(anchor)) owner.set(anchor, kernel);
  }

  const dependent = dataDependent(model);
  const pending: Node[] = [];
  for (const node of model.graph.nodes()) {
    // Folded into constants when the model is opened.
    if (owner.has(node) || !node.outputs.some((o) => dependent.has(o))) continue;
    // A fused node belongs to the kernel before it.
    const before = traitsOf(node).startsKernel ? undefined : latest(node, owner, order);
    if (before) owner.set(node, before);
    else pending.push(node);
  }
  for (const node of pending.reverse()) {
    const after = node.outputs.flatMap((o) => o.consumers()).find((c) => owner.has(c));
    const k = after && owner.get(after);
    if (k) owner.set(node, k);
  }
  for (const [node] of order) owner.get(node)?.nodes.push(node);
  return kernels;
}

/** The owner of the input that is computed last: a fused Add belongs to the branch, not to its shortcut. */
function latest(node: Node, owner: ReadonlyMap<Node, Kernel>, order: ReadonlyMap<Node, number>): Kernel | undefined {
  let best: Node | null = null;
  for (const v of node.inputs) {
    const p: Node | null | undefined = (v as Value | null)?.producer;
    if (p && owner.has(p) && (!best || order.get(p)! > order.get(best)!)) best = p;
  }
  return best ? owner.get(best) : undefined;
}
