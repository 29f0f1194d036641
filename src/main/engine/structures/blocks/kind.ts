/** Blocks: residual branches. A block has one unit; without it, its sum becomes the shortcut. */
import type { ResidualBlock } from '../axes/types.ts';
import { traitsOf } from '../../ops/registry.ts';
import type { Node } from '../../ir/node.ts';
import type { Structure, StructureKind } from '../contract.ts';
import { examples } from './examples.ts';
import { findResiduals } from './residuals.ts';

export const kind: StructureKind = {
  name: 'blocks',
  examples,
  find({ model, facts }) {
    const { blocks, refused } = findResiduals(model, facts);
    return { structures: blocks.map(structureOf), skipped: refused };
  },
  levels: () => [0, 1],
  rank: () => [0],
  shapes: ({ bypass }, removed) => ({ gone: removed.length > 0 ? nodesOf(bypass!) : [] }),
  apply({ bypass }, removed, cut) {
    if (removed.length > 0) cut.rewire((copy) => copy.replace(bypass!.add.output(), bypass!.shortcut));
  },
  mask: ({ bypass }, gate, mask) => mask.scaleInput(bypass!.add, bypass!.branch, gate, 0),
  allowed: (recipe) => recipe.blocks,
};

/** @internal */
export const structureOf = (bypass: ResidualBlock): Structure => ({
  // The operator that gives the block its name may also name channels.
  id: `block ${bypass.id}`,
  name: bypass.id,
  kind,
  unit: 'block',
  units: 1,
  multiple: 1,
  makers: bypass.nodes,
  aliases: [bypass.id, ...bypass.nodes.map((n) => n.name)],
  bypass,
});

/** The branch, its sum, and the activations after the sum that the previous block has already applied. */
function nodesOf({ nodes, add }: ResidualBlock): Node[] {
  const repeated = add
    .output()
    .consumers()
    .filter((c) => traitsOf(c).idempotent);
  return [...nodes, add, ...repeated];
}
