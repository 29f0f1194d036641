/** Channels: units along axes outside attention, such as the filters of convolutions and the hidden units of layers. */
import { axisKind, structureOf } from '../axes/units.ts';
import type { StructureKind } from '../contract.ts';
import { examples } from './examples.ts';
import { attentionGroups } from '../heads/attention.ts';

export const kind: StructureKind = {
  ...axisKind,
  name: 'channels',
  examples,
  find({ model, facts, analysis: { groups } }) {
    const inAttention = attentionGroups(model, facts, groups);
    const own = groups.filter((g) => !inAttention.has(g));
    return { structures: own.map((g) => structureOf(g, kind, 'channel', groups)) };
  },
};
