import { SecateurError } from '../../../shared/contract/errors.ts';
import { Graph, Model, type Node, type Value } from '../ir/index.ts';
import { copyNode, copyValue } from '../ir/clone.ts';
import { readsOf } from '../ir/reads.ts';

/**
 * A new Model that computes `outputs` from `inputs`, both values of the model's main graph. Its inputs are copies of
 * `inputs` with their names and declared types (set `type` first where a runtime needs it). Its nodes are copies of
 * those in between; tensors are shared. Graph inputs of the model that are needed but missing in `inputs` are an error,
 * as is an output that depends on none of `inputs`.
 * @throws 'model-invalid'
 */
export function extractSubgraph(model: Model, inputs: readonly Value[], outputs: readonly Value[]): Model {
  const cut = new Set(inputs);
  const { nodes, constants } = needed(cut, outputs);
  const graph = new Graph();
  graph.name = model.graph.name;
  const to = new Model(graph);
  to.irVersion = Math.max(4, model.irVersion);
  for (const [d, v] of model.opsets) to.opsets.set(d, v);
  to.producerName = model.producerName;
  to.producerVersion = model.producerVersion;
  // Functions are kept: their calls look like nodes of any other domain.
  to.functions.push(...model.functions);

  const values = new Map<Value, Value>();
  for (const v of cut) {
    const c = copyValue(v);
    c.initializer = null;
    c.sparse = null;
    c.graph = graph;
    graph.inputs.push(c);
    values.set(v, c);
  }
  for (const v of constants) {
    const c = copyValue(v);
    c.graph = graph;
    graph.initializers.add(c);
    values.set(v, c);
  }
  const copies = new Map<Node, Node>();
  const spares: Value[] = [];
  for (const n of model.graph.nodes())
    if (nodes.has(n)) graph.append(copyKeepingInputs(n, values, copies, cut, spares));
  // Named once every other name is known.
  for (const v of spares) v.name = graph.freshName(`${v.name}_again`);
  for (const v of new Set(outputs)) graph.outputs.push(values.get(v)!);
  return to;
}

/** Walks back from the outputs, stopping at the cut. */
function needed(cut: ReadonlySet<Value>, outputs: readonly Value[]): { nodes: Set<Node>; constants: Set<Value> } {
  const nodes = new Set<Node>(),
    constants = new Set<Value>();
  const stack = [...outputs];
  for (let v = stack.pop(); v; v = stack.pop()) {
    if (cut.has(v)) continue;
    if (v.isInitializer) constants.add(v);
    else if (!v.producer)
      throw new SecateurError('model-invalid', { reason: `${v.name} is needed and not among the inputs of the part` });
    else if (!nodes.has(v.producer)) {
      nodes.add(v.producer);
      stack.push(...readsOf(v.producer));
    }
  }
  return { nodes, constants };
}

/**
 * A node may produce a value that is an input of the part besides one that is needed. The copy of the former is added
 * to `spares`. It is named later and not omitted, because some operators must write to every output.
 */
function copyKeepingInputs(
  n: Node,
  values: Map<Value, Value>,
  nodes: Map<Node, Node>,
  cut: ReadonlySet<Value>,
  spares: Value[],
): Node {
  const held = n.outputs.filter((o) => cut.has(o)).map((o) => [o, values.get(o)!] as const);
  const c = copyNode(n, values, nodes);
  for (const [o, input] of held) {
    spares.push(values.get(o)!);
    values.set(o, input);
  }
  return c;
}
