import { toNumbers, type Model, type Node, type Value } from '../ir/index.ts';
import { givenOut } from '../ir/reads.ts';
import type { Pass } from './pass.ts';

/**
 * Removes Identity and inference Dropout. A graph output keeps its name: the producer takes over the output Value
 * itself where possible, else the node stays (an input or initializer cannot be renamed to an output).
 */
export const eliminateIdentity: Pass = {
  name: 'eliminate-identity',
  run(model) {
    const given = givenOut(model.graph);
    let modified = false;
    for (const n of model.graph.nodes()) if (isIdentity(model, n)) modified = bypass(n, given) || modified;
    return { model, modified };
  },
};

function isIdentity(model: Model, n: Node): boolean {
  if (n.key === 'Identity') return true;
  if (n.key !== 'Dropout') return false;
  // The mask output is another function of the input. training_mode (opset 12) must be absent or constant false.
  const mask = n.outputs[1];
  if (mask?.name && (mask.isUsed || mask.isGraphOutput)) return false;
  const training = n.input(2);
  if (!training) return model.opset >= 7;
  return training.initializer !== null && !training.isGraphInput && toNumbers(training.initializer)[0] === 0;
}

function bypass(n: Node, given: ReadonlySet<Value>): boolean {
  const x = n.input(0),
    y = n.output();
  if (!x) return false;
  const graph = n.graph!;
  if (!given.has(y)) {
    y.replaceAllUsesWith(x);
    graph.remove(n);
    return true;
  }
  // The output's name is part of the signature: the producer of x makes y directly, unless x itself is also a graph
  // output.
  const producer = x.producer;
  if (!producer || producer.graph !== graph || given.has(x)) return false;
  const index = x.index;
  graph.remove(n, true);
  x.replaceAllUsesWith(y);
  y.type ??= x.type;
  producer.setOutput(index, y);
  return true;
}
