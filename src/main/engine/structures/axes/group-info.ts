/** How reports describe a group. */
import type { GroupInfo } from '../../../../shared/model/types.ts';
import { elementCount } from '../../ir/dtype.ts';
import type { Group } from './types.ts';

/** Parameters per unit count every initializer that loses a slice with the unit. */
export function groupInfo(group: Group): GroupInfo {
  let elements = 0;
  const nodes = new Set<string>();
  for (const m of group.members) {
    for (const n of m.nodes) nodes.add(n.name);
    const dims = m.value.initializer?.dims;
    if (!dims) continue;
    const perIndex = elementCount(dims) / (dims[m.axis] ?? 1);
    elements += perIndex * (m.indices[0]?.length ?? 1);
  }
  return { id: group.id, units: group.units, paramsPerUnit: elements, nodes: [...nodes] };
}
