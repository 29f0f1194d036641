/** All families, and the workload of a package. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Workload } from '../../../shared/model/package.ts';
import type { Family } from '../../../shared/model/types.ts';
import type { FamilyRule, PackageShape } from './contract.ts';

const modules = import.meta.glob<{ family?: FamilyRule }>(
  ['./*.ts', '!./*.test.ts', '!./contract.ts', '!./registry.ts'],
  {
    eager: true,
  },
);

const rules: readonly FamilyRule[] = Object.values(modules)
  .flatMap((m) => (m.family ? [m.family] : []))
  .sort((a, b) => b.priority - a.priority);

/**
 * The rule that describes a package. The rule of single models matches every package: if a family lacks its components,
 * every component runs once.
 */
function ruleFor(pkg: PackageShape, asked?: Family): { rule: FamilyRule; family: Family } {
  if (asked !== undefined) return { rule: rules.find((r) => r.serves?.(pkg, asked))!, family: asked };
  for (const rule of rules) {
    const family = rule.detect(pkg);
    if (family) return { rule, family };
  }
  throw new Error('no family describes the package');
}

/**
 * One use of a package.
 * @param settings by name; missing ones have the family's defaults
 * @param asked the family that the user set; default: as detected
 * @throws 'workload-setting' for a setting that the family does not have, or outside its range
 */
export function workloadOf(
  pkg: PackageShape,
  settings: Readonly<Record<string, number>> = {},
  asked?: Family,
): Workload {
  const { rule, family } = ruleFor(pkg, asked);
  const names = rule.settings.map((s) => s.name);
  const unknown = Object.keys(settings).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new SecateurError('workload-setting', {
      name: unknown,
      reason: names.length > 0 ? `a ${family} package has ${names.join(', ')}` : `a ${family} package has none`,
    });
  const fields = rule.settings.map((s) => ({ ...s, default: s.default(pkg) }));
  const values: Record<string, number> = {};
  for (const s of fields) {
    const value = settings[s.name] ?? s.default;
    if (value < s.least || value > s.most || !Number.isInteger(value))
      throw new SecateurError('workload-setting', { name: s.name, reason: `it must be a whole number from ${s.least} to ${s.most}` }); // prettier-ignore
    values[s.name] = value;
  }
  return { family, settings: values, fields, ...rule.workload(pkg, values) };
}
