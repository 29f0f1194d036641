/**
 * Rewrites channel shuffles as one Gather. Reshape to [N, g, c, ...], a Transpose of those two axes and a Reshape back
 * permute channels. In that form, only the same channel of every group could be removed. A Gather names each channel,
 * so any can be removed.
 */
import { attrInts, int } from '../../ir/attribute.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import { Node } from '../../ir/node.ts';
import { i64 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import { eliminateDead } from '../../passes/eliminate-dead.ts';

/**
 * Rewrites every channel shuffle in place. `facts` stays valid for all remaining values. Outputs are bit-identical.
 * @returns number of shuffles
 */
export function gatherShuffles(model: Model, facts: Facts): number {
  const { graph } = model;
  let found = 0;
  for (const last of [...graph.nodes()]) {
    const match = shuffle(last, facts);
    if (!match || graph.outputs.includes(match.from)) continue;
    const { from, groups, width } = match;
    // Output j = b groups + a is input a width + b.
    const indices = Array.from({ length: groups * width }, (_, j) => (j % groups) * width + Math.floor(j / groups));
    const at = graph.addInitializer(graph.freshName(`${last.output().name}_order`), i64(indices));
    const outputs = [...last.outputs];
    const next = last.next;
    graph.remove(last, true);
    const gather = new Node('Gather', [from, at], outputs, { name: last.name, attributes: [['axis', int(1)]] });
    if (next) graph.insertBefore(next, gather);
    else graph.append(gather);
    found++;
  }
  if (found) eliminateDead.run(model);
  return found;
}

function shuffle(last: Node, facts: Facts): { from: Value; groups: number; width: number } | null {
  if (last.key !== 'Reshape') return null;
  const transpose = last.input(0)?.producer;
  if (transpose?.key !== 'Transpose' || transpose.input(0)?.producer?.key !== 'Reshape') return null;
  const first = transpose.input(0)!.producer!;
  const from = first.input(0)!;
  const [before, split, after] = [from, first.output(), last.output()].map((v) => facts.get(v)?.shape);
  if (!before || !split || !after) return null;
  const perm = attrInts(transpose.attributes.get('perm')) ?? [];
  const swaps = perm.length === split.length && perm.every((p, i) => p === (i === 1 ? 2 : i === 2 ? 1 : i));
  const restored = after.length === before.length && after.every((n, i) => n === before[i]);
  const grouped =
    split.length === before.length + 1 &&
    split[0] === before[0] &&
    split[1]! * split[2]! === before[1] &&
    before.slice(2).every((n, i) => n === split[i + 3]);
  // Merging other axes of equal sizes would look the same only for the same data, so the shapes decide.
  return swaps && restored && grouped ? { from, groups: split[1]!, width: split[2]! } : null;
}
