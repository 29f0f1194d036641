/** Levels of every part of a package alone, with their measured times and damages. */
import type { PackageChoice } from '../../../shared/model/package-budget.ts';
import type { Metric } from '../../../shared/model/package.ts';
import type { PartLevel } from '../../engine/allocation/combine-levels.ts';
import { selectionsOf } from './token-levels.ts';
import type { JudgedChoice, Workshop } from './workshop.ts';

/** Shares of a component's own time that are tried. */
const SHARES = [0.85, 0.7, 0.55, 0.4];
/** Smallest share that is tried for a component that shall meet the budget alone. */
export const LEAST_SHARE = 0.1;

export interface ChoiceLevel extends PartLevel {
  readonly choice: PackageChoice;
}

/** Conditions of measurements. */
export interface Measuring {
  readonly metric: Metric;
  readonly provider: string;
  readonly threads: number;
}

export interface Levels {
  /** Levels of each part, the whole one first. */
  readonly parts: readonly (readonly ChoiceLevel[])[];
  /** Milliseconds of the original's phases in the metric. */
  readonly original: Readonly<Record<string, number>>;
  readonly refused: readonly { readonly part: string; readonly reason: string }[];
}

const WHOLE: ChoiceLevel = { cost: 0, ratios: {}, choice: { tokens: null, components: {} } };

/**
 * @param components that may be pruned
 * @param goalOf the time that the budget allows, from that of the original
 */
export async function measureLevels(
  shop: Workshop,
  o: Measuring & {
    readonly tokens: string;
    readonly components: readonly string[];
    readonly goalOf: (originalMs: number) => number;
  },
  progress: (message: string, done: number) => void,
): Promise<Levels> {
  const { whole } = shop;
  const refused: { part: string; reason: string }[] = [];
  const tokens: JudgedChoice[] = [];
  const selections = whole.subject ? selectionsOf(whole.subject, o.tokens) : [];
  if (whole.refused !== null && o.tokens !== 'none') refused.push({ part: 'tokens', reason: whole.refused });
  for (const [i, selection] of selections.entries()) {
    progress(`${selection.method}, ${selection.keep} tokens`, (0.3 * i) / selections.length);
    const made = await shop.judged({ tokens: selection, components: {} });
    if (!('refused' in made)) tokens.push(made);
    else if (!refused.some((r) => r.part === selection.method)) refused.push({ part: selection.method, reason: made.refused }); // prettier-ignore
  }
  progress('measuring fewer tokens', 0.3);
  const first = await shop.times(tokens, o);
  const byComponent: JudgedChoice[][] = [];
  for (const [i, component] of o.components.entries()) {
    const found: JudgedChoice[] = [];
    byComponent.push(found);
    for (const share of sharesOf(component, shop, first.original, o.goalOf)) {
      progress(`${component}, ${share}x`, 0.4 + (0.5 * i) / o.components.length);
      const made = await shop.judged({ tokens: null, components: { [component]: share } });
      if ('refused' in made) {
        refused.push({ part: `${component} at ${share.toFixed(2)}x`, reason: made.refused });
        break;
      }
      found.push(made);
    }
  }
  progress('measuring smaller components', 0.9);
  const second = await shop.times(byComponent.flat(), o);
  const times = new Map([
    ...tokens.map((t, i) => [t, first.times[i]!] as const),
    ...byComponent.flat().map((c, i) => [c, second.times[i]!] as const),
  ]);
  const levelOf = (c: JudgedChoice): ChoiceLevel => ({ cost: c.kl, ratios: times.get(c)!.phases, choice: c.choice });
  return {
    parts: [tokens, ...byComponent].map((list) => [WHOLE, ...list.map(levelOf)]),
    original: first.original,
    refused,
  };
}

/** The shares down to the one with which the component meets the budget alone, descending. */
function sharesOf(
  component: string,
  { whole }: Workshop,
  original: Readonly<Record<string, number>>,
  goalOf: (ms: number) => number,
): number[] {
  const own = whole.workload.phases.filter((p) => p.component === component).reduce((sum, p) => sum + (original[p.name] ?? 0), 0); // prettier-ignore
  const all = Object.values(original).reduce((a, b) => a + b, 0);
  const alone = (goalOf(all) - (all - own)) / own;
  const shares = SHARES.filter((s) => s > alone);
  return alone >= LEAST_SHARE ? [...shares, Math.round(100 * alone) / 100] : shares;
}
