/**
 * Reports units whose measured time does not decrease with their width although their width can change, because plans
 * are chosen by these times.
 */
import type { UnitTable } from './predict.ts';

/**
 * Names and operators of units that a group narrows and whose time is constant, or partly constant, over widths.
 * @internal
 */
export function flatUnits(tables: readonly UnitTable[]): string[] {
  return tables
    .filter(({ unit, grid, ms }) => unit.groups.length > 0 && (grid.length === 0 || ms.some((x) => !(x > 0))))
    .map(({ unit }) => `${unit.opType} ${unit.name}`);
}

/** Maximum number of units named. */
const NAMED = 8;

/** One sentence for a report, or none. */
export function flatNote(tables: readonly UnitTable[]): string[] {
  const flat = flatUnits(tables);
  if (flat.length === 0) return [];
  const rest = flat.length > NAMED ? ` and ${flat.length - NAMED} more` : '';
  const [one, they] = flat.length === 1 ? ['operator', 'it is'] : ['operators', 'they are'];
  return [
    `${flat.length} ${one} could not be timed over all widths; ${they} priced as in the whole model there, so that predictions are less certain: ${flat.slice(0, NAMED).join(', ')}${rest}.`,
  ];
}
