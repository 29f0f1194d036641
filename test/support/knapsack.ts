/**
 * The multiple-choice knapsack: one option of each class, least total cost within a budget of milliseconds. Exact for
 * milliseconds on a grid, by dynamic programming over the time above the fastest choice (Sinha and Zoltners 1979, "The
 * multiple-choice knapsack problem"; Pisinger 1995, "A minimal algorithm for the multiple-choice knapsack problem").
 * Costs are taken to add up over the classes.
 */

export interface KnapsackOption {
  /** Cost of the option. An option whose cost is not finite is never chosen. */
  readonly cost: number;
  readonly ms: number;
}

export interface KnapsackChoice {
  /** Index of the chosen option, per class. */
  readonly options: readonly number[];
  readonly cost: number;
  readonly ms: number;
}

/**
 * Time and memory: steps times the number of options, and steps bytes twice per class.
 * @param budgetMs the choice takes at most this long
 * @param steps cells that the time between the fastest choice and the budget is divided into. Times are rounded up, so the
 * choice never exceeds the budget, and costs at most what is optimal for a budget that is smaller by one cell per class.
 * @returns null when even the fastest options together exceed the budget
 */
export function knapsack(
  classes: readonly (readonly KnapsackOption[])[],
  budgetMs: number,
  steps = 4000,
): KnapsackChoice | null {
  const lists = classes.map(efficient);
  if (lists.some((l) => l.length === 0)) return null;
  const fastest = lists.reduce((sum, l) => sum + l[0]!.ms, 0);
  const slack = budgetMs - fastest;
  if (!(slack >= 0)) return null;
  // The cheapest options are the slowest: when all of them fit there is nothing to choose.
  const fits = lists.reduce((sum, l) => sum + l.at(-1)!.ms, 0) <= budgetMs;
  if (fits) for (const l of lists) l.splice(0, l.length - 1);
  const cells = fits || slack === 0 ? 0 : Math.max(1, Math.floor(steps));
  const cell = slack / cells;

  // best[t]: least cost of the classes so far with at most t cells above their fastest options.
  let best = new Float64Array(cells + 1);
  const picks: Uint16Array[] = [];
  for (const list of lists) {
    const next = new Float64Array(cells + 1).fill(Infinity);
    const pick = new Uint16Array(cells + 1);
    for (const [i, o] of list.entries()) {
      const need = cellsOf(o.ms - list[0]!.ms, cell);
      for (let t = need; t <= cells; t++) {
        const cost = best[t - need]! + o.cost;
        if (cost < next[t]!) {
          next[t] = cost;
          pick[t] = i;
        }
      }
    }
    best = next;
    picks.push(pick);
  }

  const options = new Array<number>(lists.length);
  let [t, cost, ms] = [cells, 0, 0];
  for (let c = lists.length - 1; c >= 0; c--) {
    const list = lists[c]!;
    const o = list[picks[c]![t]!]!;
    options[c] = o.index;
    cost += o.cost;
    ms += o.ms;
    t -= cellsOf(o.ms - list[0]!.ms, cell);
  }
  return { options, cost, ms };
}

/** Cells that hold a time, rounded up; a division that lands a rounding error above a whole number is that number. */
function cellsOf(ms: number, cell: number): number {
  if (!(ms > 0)) return 0;
  const q = ms / cell;
  const near = Math.round(q);
  return Math.abs(q - near) <= 1e-9 * near ? near : Math.ceil(q);
}

/** Options that no other one beats in both time and cost, fastest first, with their indices. */
function efficient(options: readonly KnapsackOption[]): (KnapsackOption & { readonly index: number })[] {
  const sorted = options
    .map((o, index) => ({ cost: o.cost, ms: o.ms, index }))
    .filter((o) => Number.isFinite(o.cost) && Number.isFinite(o.ms))
    .sort((a, b) => a.ms - b.ms || a.cost - b.cost);
  let least = Infinity;
  return sorted.filter((o) => {
    if (o.cost >= least) return false;
    least = o.cost;
    return true;
  });
}
