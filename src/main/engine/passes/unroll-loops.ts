/**
 * Unrolls loops that build a list in a known number of iterations. Exporters write such loops where a tensor is split
 * at given positions (tensor_split, chunk), often with a single iteration. A list has no width that could be cut, so
 * the iterations are written out; `takeSequences` then resolves the entries.
 */
import { bodyLinks, type BodyLinks } from '../ir/bodies.ts';
import { DType } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Graph } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { i64, MemoryTensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { dissolve } from './eliminate-dead.ts';
import { copyInitializers, copyNodes } from './move-body.ts';
import { fixedNumbers, isListMaker, takePlace } from './sequences.ts';

/** Loops with more iterations, or more nodes in total, stay. */
const MOST_TURNS = 32;
const MOST_NODES = 2048;

/**
 * Changes the model in place.
 * @param facts of this model
 * @returns number of loops unrolled
 */
export function unrollLoops(model: Model, facts: Facts): number {
  let count = 0;
  for (const node of [...model.graph.nodes()]) {
    const links = node.key === 'Loop' ? bodyLinks(node) : null;
    const turns = links && turnsOf(node, links, facts);
    if (!links || turns === null || !links.carried.some((c) => makesList(c.initial))) continue;
    // Stacked outputs, and graphs inside the body, do not occur in loops that build lists.
    if (links.stacked.length || [...links.body.nodes()].some((n) => [...n.subgraphs()].length)) continue;
    if (turns * links.body.nodeCount > MOST_NODES) continue;
    writeOut(model.graph, node, links, turns);
    count++;
  }
  return count;
}

const makesList = (v: Value): boolean => v.producer !== null && isListMaker(v.producer);

/** Number of iterations for any size and any data; null where unknown. */
function turnsOf(node: Node, { body }: BodyLinks, facts: Facts): number | null {
  const [most, goOn] = [node.input(0), node.input(1)];
  const turns = most && fixedNumbers(most, facts);
  if (turns?.length !== 1 || turns[0]! < 0 || turns[0]! > MOST_TURNS) return null;
  const always = (v: Value | null): boolean => v === null || fixedNumbers(v, facts)?.[0] === 1;
  if (!always(goOn)) return null;
  let said = body.outputs[0]!;
  while (said.producer?.key === 'Identity') said = said.producer.input(0)!;
  return said === body.inputs[1] || always(said) ? turns[0]! : null;
}

function writeOut(graph: Graph, node: Node, { body, carried }: BodyLinks, turns: number): void {
  const shared = copyInitializers(graph, body);
  // The runtime passes both as the body declares them: a scalar, or a vector of one.
  const dims = (i: number): number[] => (body.inputs[i]!.type?.shape?.length === 1 ? [1] : []);
  const goOn = new MemoryTensor(DType.BOOL, dims(1), Uint8Array.of(1));
  shared.set(body.inputs[1]!, graph.addInitializer(graph.freshName('go_on'), goOn));
  let states = carried.map((c) => c.initial);
  for (let turn = 0; turn < turns; turn++) {
    const values = new Map(shared);
    values.set(body.inputs[0]!, graph.addInitializer(graph.freshName('turn'), i64([turn], dims(0))));
    carried.forEach((c, i) => values.set(c.input, states[i]!));
    copyNodes(graph, body, node, values, (name) => (turn > 0 ? `${name}_${turn}` : name));
    states = carried.map((c) => values.get(c.output) ?? c.output);
  }
  const after = node.next;
  graph.remove(node, true);
  dissolve(body);
  carried.forEach((c, i) => {
    if (c.last) takePlace(graph, after, c.last, states[i]!);
  });
}
