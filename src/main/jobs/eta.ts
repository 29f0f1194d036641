/**
 * Overall progress and time left, from the expected duration of each stage. Expectations start from
 * the last run of the same kind (or fixed weights) and are scaled by the pace of this run. The
 * reported time left shrinks steadily: it counts down towards the newest estimate, and grows only
 * after that estimate has been far above it for some time.
 */
export interface Estimate {
  /** Share of the whole task, 0..1; it never decreases. */
  readonly fraction: number;
  /** Milliseconds left; null while unknown. */
  readonly etaMs: number | null;
}

/**
 * Time constant, in seconds, with which the reported value approaches a lower estimate (to 1/e of
 * the distance).
 */
const SETTLE_S = 5;
/**
 * The reported value jumps up when the estimate was this many times, and this many seconds, above
 * it for `during` seconds.
 */
const FAR = { times: 1.5, seconds: 10, during: 5 } as const;

export class EtaEstimator {
  readonly #expected = new Map<string, number>();
  readonly #spent = new Map<string, number>();
  readonly #now: () => number;
  /**
   * Whether the expectations were measured. Fixed weights only give an order of magnitude, so they
   * must be scaled first.
   */
  readonly #measured: boolean;
  /** Stages that take the time that the user gave them, at any pace of the machine. */
  readonly #limited: ReadonlySet<string>;
  readonly #start: number;
  #stage: string | null = null;
  #stageStart = 0;
  #fraction = 0;
  /** The seconds left that were last reported, and the time of the report. */
  #told: { left: number; at: number } | null = null;
  /** Time since which the estimate has been far above the reported value. */
  #farSince: number | null = null;

  /**
   * @param expected seconds per stage, in the order of the stages
   * @param limited stages whose seconds are a time limit
   */
  constructor(
    expected: Readonly<Record<string, number>>,
    measured: boolean,
    now: () => number = Date.now,
    limited: readonly string[] = [],
  ) {
    this.#limited = new Set(limited);
    for (const [stage, seconds] of Object.entries(expected)) this.#expected.set(stage, Math.max(seconds, 0.01));
    this.#measured = measured;
    this.#now = now;
    this.#start = now();
  }

  /**
   * `done`: share of that stage, 0..1. Earlier stages in the list count as finished (they may have
   * been skipped).
   */
  update(stage: string, done: number): Estimate {
    const now = this.#now();
    if (!this.#expected.has(stage)) this.#expected.set(stage, this.#average());
    if (stage !== this.#stage) {
      this.#leave(now);
      this.#stage = stage;
      this.#stageStart = now;
    }
    const share = Math.min(1, Math.max(0, Number.isFinite(done) ? done : 0));
    let before = 0;
    let after = 0;
    // Seconds that the later stages take at the pace so far.
    let later = 0;
    const scale = this.#scale();
    let seen = false;
    for (const [name, seconds] of this.#expected) {
      if (name === stage) seen = true;
      else if (seen) {
        after += seconds;
        later += seconds * (this.#limited.has(name) ? 1 : scale);
      } else before += seconds;
    }
    const here = this.#expected.get(stage) ?? 1;
    const total = before + here + after;
    this.#fraction = Math.max(this.#fraction, Math.min(1, (before + here * share) / total));
    const left = this.#estimate(now, share, here * (this.#limited.has(stage) ? 1 : scale), later);
    return { fraction: this.#fraction, etaMs: left === null ? null : Math.round(1000 * this.#tell(now, left)) };
  }

  /** Stages that were left at least once, in order. */
  finished(): string[] {
    return [...this.#spent.keys()];
  }

  /** Seconds spent in each stage so far, including the current one. */
  seconds(): Record<string, number> {
    const out = new Map(this.#spent);
    if (this.#stage !== null) {
      out.set(this.#stage, (out.get(this.#stage) ?? 0) + (this.#now() - this.#stageStart) / 1000);
    }
    return Object.fromEntries(out);
  }

  /** Seconds left according to the newest figures only: of this stage, as long as it is new, and of the later ones. */
  #estimate(now: number, share: number, here: number, later: number): number | null {
    const inStage = (now - this.#stageStart) / 1000;
    // The stage's own pace is the best predictor once some of the stage is done.
    const stageLeft = share > 0.05 && inStage > 0.5 ? (inStage * (1 - share)) / share : here * (1 - share);
    const known = this.#measured || (now - this.#start > 2000 && this.#fraction > 0.03);
    return known ? stageLeft + later : null;
  }

  /** Seconds left as reported: `left` without its jumps. */
  #tell(now: number, left: number): number {
    const last = this.#told;
    const passed = last ? Math.max(0, now - last.at) / 1000 : 0;
    let told = left;
    if (last && left <= last.left - passed) told = left + (last.left - passed - left) * Math.exp(-passed / SETTLE_S);
    else if (last) {
      // The reported value is too low, so it shrinks more slowly than the clock runs and reaches
      // zero together with the estimate.
      told = last.left * (left / (left + passed || 1));
      const far = left > FAR.times * told && left - told > FAR.seconds;
      if (!far) this.#farSince = null;
      else if (now - (this.#farSince ??= last.at) >= FAR.during * 1000) {
        told = left;
        this.#farSince = null;
      }
    }
    this.#told = { left: told, at: now };
    return told;
  }

  /**
   * Real seconds per expected second, over the finished stages; skipped stages (no time) and those
   * with a time limit do not count.
   */
  #scale(): number {
    let real = 0;
    let expected = 0;
    for (const [stage, seconds] of this.#spent) {
      if (seconds < 0.05 || this.#limited.has(stage)) continue;
      real += seconds;
      expected += this.#expected.get(stage) ?? 0;
    }
    if (expected === 0) return 1;
    return Math.min(20, Math.max(0.05, real / expected));
  }

  #leave(now: number): void {
    if (this.#stage === null) return;
    this.#spent.set(this.#stage, (this.#spent.get(this.#stage) ?? 0) + (now - this.#stageStart) / 1000);
  }

  #average(): number {
    if (this.#expected.size === 0) return 1;
    return [...this.#expected.values()].reduce((a, b) => a + b, 0) / this.#expected.size;
  }
}
