/** Ways to meet a budget: the best combinations of levels, and each kind of part alone. Built, measured and corrected. */
import type { PackageChoice, PackageWay } from '../../../shared/model/package-budget.ts';
import { combinationsWithin, type LevelCombination } from '../../engine/allocation/combine-levels.ts';
import { BAND, isWithin } from '../../engine/allocation/fit-budget.ts';
import type { StageContext } from '../context.ts';
import { LEAST_SHARE, type ChoiceLevel, type Levels, type Measuring } from './levels.ts';
import { nameOf, type ChoiceTimes, type JudgedChoice, type Workshop } from './workshop.ts';

/** Combinations that are built. */
const BEST = 3;
/**
 * Predicted time of combinations over the budget that are considered. Levels lie further apart than this, and a way is
 * changed to the budget before it is built.
 */
const NEAR = 1.08;
/** Times that a way is corrected by its measured time. */
const CORRECTIONS = 3;
/** Share of the budget that ways aim at. */
const AIM = (BAND[0] + BAND[1]) / 2;
/** A component that may keep this share stays whole. */
const WHOLE_SHARE = 0.98;

/** A way that was measured. */
export interface MeasuredWay {
  readonly made: JudgedChoice;
  /** The metric over that of the original. */
  readonly ratio: number;
  readonly predictedKl: number;
}

/** Kinds of parts that a choice changes. */
export const kindsOf = ({ tokens, components }: PackageChoice): string[] => [
  ...(tokens ? ['tokens'] : []),
  ...Object.keys(components),
];

const joined = (levels: readonly ChoiceLevel[]): PackageChoice => ({
  tokens: levels.find((l) => l.choice.tokens)?.choice.tokens ?? null,
  components: Object.assign({}, ...levels.map((l) => l.choice.components)) as PackageChoice['components'],
});

/** The combinations of least cost within the time, and the best one of each kind of part alone. */
function bestCombinations({ parts, original }: Levels, goalMs: number): LevelCombination<ChoiceLevel>[] {
  const phases = Object.entries(original).map(([name, ms]) => ({ name, ms }));
  const all = combinationsWithin(parts, phases, goalMs);
  const alone = parts.map((_, i) => all.find((c) => c.levels.every((l, p) => (p === i) === (kindsOf(l.choice).length > 0)))); // prettier-ignore
  // Neighbours of the best one differ by a level; the next one of other kinds says more.
  const kinds = new Set<string>();
  const best = all.filter((c) => {
    const key = `${kindsOf(joined(c.levels)).join()} ${joined(c.levels).tokens?.method ?? ''}`;
    return !kinds.has(key) && kinds.add(key).size <= BEST;
  });
  return [...new Set([...best, ...alone.filter((c) => c !== undefined)])];
}

/**
 * Builds and measures each way, and corrects those outside of the band by what was measured.
 * @param goal budget over the original's time
 */
export async function measureWays(
  shop: Workshop,
  levels: Levels,
  o: Measuring & { readonly goal: number },
  ctx: Pick<StageContext, 'log' | 'progress'>,
): Promise<MeasuredWay[]> {
  const wholeMs = Object.values(levels.original).reduce((a, b) => a + b, 0);
  const phases = shop.whole.workload.phases;
  const found = bestCombinations(levels, NEAR * o.goal * wholeMs);
  /** Every way has its history; the last one is the current. */
  const ways = found.map((c) => ({ cost: c.cost, next: filled(c) as PackageChoice | null, seen: [] as MeasuredWay[] }));
  for (let round = 0; round <= CORRECTIONS; round++) {
    ctx.progress({ stage: 'ways', message: `building ${ways.length} ways to meet the budget (${round + 1})`, done: round / (CORRECTIONS + 1) }); // prettier-ignore
    const open = ways.filter((w) => w.next !== null);
    const made: { way: (typeof ways)[number]; made: JudgedChoice }[] = [];
    for (const way of open) {
      const one = await shop.judged(way.next!);
      way.next = null;
      if (!('refused' in one)) made.push({ way, made: one });
    }
    if (made.length === 0) break;
    const { original, times } = await shop.times(made.map((m) => m.made), o); // prettier-ignore
    made.forEach(({ way, made: one }, i) => {
      const { metric } = times[i]!;
      const known = way.seen.some((s) => s.made === one);
      way.seen.push({ made: one, ratio: metric, predictedKl: way.cost });
      const share = metric / o.goal;
      ctx.log(`${nameOf(one.choice)}: ${metric.toFixed(3)}x, ${share.toFixed(3)} of the budget`);
      if (!known && !(share >= BAND[0] && share <= BAND[1])) way.next = corrected(one.choice, times[i]!, original);
    });
  }
  const last = ways.flatMap(({ seen }) => {
    const within = seen.filter((s) => isWithin(s.ratio / o.goal));
    if (within.length > 0) return [within.reduce((a, b) => (b.made.kl < a.made.kl ? b : a))];
    return seen.length > 0 ? [seen.reduce((a, b) => (b.ratio < a.ratio ? b : a))] : [];
  });
  // Corrections of two ways may end at the same one.
  return last.filter((w, i) => last.findIndex((other) => other.made === w.made) === i);

  /** The combination, filled up to the aim by the predicted time. */
  function filled({ levels: list }: LevelCombination<ChoiceLevel>): PackageChoice {
    const ratios = Object.fromEntries(phases.map(({ name }) => [name, list.reduce((product, l) => product * (l.ratios[name] ?? 1), 1)])); // prettier-ignore
    const ms = Object.entries(levels.original).reduce((sum, [name, own]) => sum + own * ratios[name]!, 0);
    return corrected(joined(list), { phases: ratios, metric: ms / wholeMs }, levels.original) ?? joined(list);
  }

  /** The choice with the time of its slowest pruned component changed so that the metric meets the aim. */
  function corrected(
    choice: PackageChoice,
    times: ChoiceTimes,
    original: Readonly<Record<string, number>>,
  ): PackageChoice | null {
    const missing = (AIM * o.goal - times.metric) * wholeMs;
    const own = (id: string): number =>
      phases.filter((p) => p.component === id).reduce((sum, p) => sum + (original[p.name] ?? 0) * (times.phases[p.name] ?? 1), 0); // prettier-ignore
    const [id, ...rest] = Object.keys(choice.components).sort((a, b) => own(b) - own(a));
    if (id === undefined) return withTokens(choice, (AIM * o.goal) / times.metric);
    const share = Math.round(100 * choice.components[id]! * (1 + missing / own(id))) / 100;
    if (share === choice.components[id] || share < LEAST_SHARE) return null;
    const others = Object.fromEntries(rest.map((r) => [r, choice.components[r]!]));
    return { ...choice, components: share >= WHOLE_SHARE ? others : { ...others, [id]: share } };
  }

  function withTokens(choice: PackageChoice, factor: number): PackageChoice | null {
    const { tokens } = choice;
    const { subject } = shop.whole;
    if (!tokens || !subject) return null;
    const keep = Math.round(tokens.keep * factor);
    const free = subject.place.count - subject.place.fixed;
    return keep === tokens.keep || keep < 1 || keep >= free ? null : { ...choice, tokens: { ...tokens, keep } };
  }
}

/** The way of least damage within the budget, else the fastest. */
export const chosenWay = (ways: readonly MeasuredWay[], goal: number): MeasuredWay | undefined =>
  ways.filter((w) => isWithin(w.ratio / goal)).sort((a, b) => a.made.kl - b.made.kl)[0] ??
  [...ways].sort((a, b) => a.ratio - b.ratio)[0];

export const reportedWays = (
  ways: readonly MeasuredWay[],
  chosen: MeasuredWay | undefined,
  goal: number,
): PackageWay[] =>
  ways.map((w) => ({
    ...w.made.choice,
    kinds: kindsOf(w.made.choice),
    ratio: w.ratio,
    kl: w.made.kl,
    predictedKl: w.predictedKl,
    chosen: w === chosen,
    reached: isWithin(w.ratio / goal),
  }));

/**
 * Why a way was chosen, as a sentence: its damage beside that of each kind of part alone.
 * @param parts kinds of parts that have levels
 */
export function whyChosen(ways: readonly Omit<PackageWay, 'predictedKl'>[], parts: readonly string[]): string | null {
  const chosen = ways.find((w) => w.chosen);
  if (!chosen?.reached) return null;
  const alone = parts.flatMap((part) => {
    const own = ways.filter((w) => w.reached && w.kinds.join() === part).sort((a, b) => a.kl - b.kl);
    if (own[0] === chosen) return [];
    return [own[0] ? `${part} ${own[0].kl.toPrecision(3)}` : `${part} did not reach the budget`];
  });
  const stays = parts.includes('tokens') && !chosen.kinds.includes('tokens') ? ' All tokens stay.' : '';
  const beside = alone.length > 0 ? ` Alone: ${alone.join(', ')}.` : '';
  return `${nameOf(chosen)} changes the answers least of the ways within the budget: KL ${chosen.kl.toPrecision(3)}.${beside}${stays}`;
}
