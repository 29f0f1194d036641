/** The budget set by the user, and the conditions of its latency measurement. */
import type { Budget } from '../../shared/model/types.ts';

export class BudgetChoice {
  budgetKind = $state<'ratio' | 'ms'>('ratio');
  ratio = $state(0.5);
  milliseconds = $state(0);
  percentile = $state<Budget['percentile']>(50);
  threads = $state(1);
  provider = $state('cpu');
  batch = $state(1);

  get budget(): Budget {
    const { percentile, threads, provider, batch } = this;
    const conditions = { percentile, threads, provider, batch } as const;
    return this.budgetKind === 'ratio'
      ? { ratio: this.ratio, ...conditions }
      : { ms: this.milliseconds, ...conditions };
  }

  get budgetValid(): boolean {
    return this.budgetKind === 'ratio' ? this.ratio > 0 && this.ratio < 1 : this.milliseconds > 0;
  }

  /** Milliseconds of one model or metric do not apply to another. */
  forgetMilliseconds(): void {
    this.budgetKind = 'ratio';
    this.milliseconds = 0;
  }

  /** Returns true when the new budget is measured under different conditions. */
  takeBudget({ ratio, ms, threads, percentile, batch, provider }: Budget): boolean {
    this.budgetKind = ratio === undefined ? 'ms' : 'ratio';
    if (ratio !== undefined) this.ratio = ratio;
    if (ms !== undefined) this.milliseconds = ms;
    const others = this.threads !== threads || this.batch !== batch || this.provider !== provider;
    Object.assign(this, { threads, percentile, batch, provider });
    return others;
  }
}
