/** Packages without a more specific family: every component runs once. A model in one file has one phase. */
import type { FamilyRule } from './contract.ts';

export const family: FamilyRule = {
  priority: 0,
  detect: ({ network }) => network,
  serves: () => true,
  settings: [],
  workload(pkg) {
    const phases = pkg.components.map((c) => ({ name: c.id, component: c.id, repeat: 1, dims: {} }));
    const weights = Object.fromEntries(phases.map((p) => [p.name, 1]));
    const about = phases.length === 1 ? 'one run of the model' : 'one run of every component';
    return { about, phases, metrics: [{ name: 'total', about, weights }] };
  },
};
