/**
 * Loops that put a list together a known number of times: exporters write one where a tensor is taken apart at given places
 * (tensor_split, chunk), often for a single turn. A list has no width that could be cut, so the turns are written out one
 * after another; what the list holds is then found by `takeSequences`.
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

/** More turns, or more nodes in all, are left as they are. */
const MOST_TURNS = 32;
const MOST_NODES = 2048;

/** Changes the model in place. @param facts of this model @returns how many loops were written out */
export function unrollLoops(model: Model, facts: Facts): number {
  let count = 0;
  for (const node of [...model.graph.nodes()]) {
    const links = node.key === 'Loop' ? bodyLinks(node) : null;
    const turns = links && turnsOf(node, links, facts);
    if (!links || turns === null || !links.carried.some((c) => makesList(c.initial))) continue;
    // What is stacked turn by turn, and graphs inside the body, are not what lists are put together by.
    if (links.stacked.length || [...links.body.nodes()].some((n) => [...n.subgraphs()].length)) continue;
    if (turns * links.body.nodeCount > MOST_NODES) continue;
    writeOut(model.graph, node, links, turns);
    count++;
  }
  return count;
}

const makesList = (v: Value): boolean => v.producer !== null && isListMaker(v.producer);

/** How often a loop runs at any size and for any data; null where that is not known. */
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
  // The runtime hands both over as the body declares them: a scalar, or a vector of one.
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
