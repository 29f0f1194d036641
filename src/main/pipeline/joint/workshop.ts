/** Builds, measures and judges choices of a package, each once. */
import { join } from 'node:path';
import type { PackageChoice } from '../../../shared/model/package-budget.ts';
import type { Metric } from '../../../shared/model/package.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { StageContext } from '../context.ts';
import { measureUses, type Use } from '../tokens/measure-uses.ts';
import { build, type Built, type Whole } from './build.ts';
import type { Reference } from './reference.ts';

export type Refused = { readonly refused: string };

/** Searches for one level of a component. @returns its file, or why there is none */
export type SearchLevel = (component: string, share: number) => Promise<string | Refused>;

export interface JudgedChoice {
  readonly choice: PackageChoice;
  readonly built: Built;
  /** Nats per token along the original's answers. */
  readonly kl: number;
}

/** Times of a choice over those of the original. */
export interface ChoiceTimes {
  /** Phases by name. */
  readonly phases: Readonly<Record<string, number>>;
  readonly metric: number;
}

export class Workshop {
  readonly whole: Whole;
  readonly #reference: Reference;
  readonly #search: SearchLevel;
  readonly #scratch: string;
  readonly #ctx: StageContext;
  readonly #made = new Map<string, Promise<JudgedChoice | Refused>>();

  constructor(o: {
    readonly whole: Whole;
    readonly reference: Reference;
    readonly search: SearchLevel;
    readonly scratch: string;
    readonly ctx: StageContext;
  }) {
    this.whole = o.whole;
    this.#reference = o.reference;
    this.#search = o.search;
    this.#scratch = o.scratch;
    this.#ctx = o.ctx;
  }

  /** The built package, with its damage; or why it cannot be built. */
  judged(choice: PackageChoice): Promise<JudgedChoice | Refused> {
    const key = JSON.stringify(choice);
    const known = this.#made.get(key) ?? this.#make(choice, this.#made.size);
    this.#made.set(key, known);
    return known;
  }

  async #make(choice: PackageChoice, place: number): Promise<JudgedChoice | Refused> {
    const files = new Map<string, string>();
    for (const [component, share] of Object.entries(choice.components)) {
      const found = await this.#search(component, share);
      if (typeof found !== 'string') return found;
      files.set(component, found);
    }
    try {
      const parts = { files, tokens: choice.tokens };
      const built = await build(this.whole, parts, join(this.#scratch, String(place)), this.#ctx.executor);
      const { kl } = await this.#reference.damage(built);
      this.#ctx.log(`${nameOf(choice)}: KL ${kl.toPrecision(3)}`);
      return { choice, built, kl };
    } catch (e) {
      if (!(e instanceof SecateurError) || e.code !== 'tokens-method-refused') throw e;
      return { refused: String(e.detail['reason']) };
    }
  }

  /** Times of choices, interleaved with the original. The first result is the original's milliseconds per phase. */
  async times(
    list: readonly JudgedChoice[],
    o: { readonly metric: Metric; readonly provider: string; readonly threads: number },
  ): Promise<{ readonly original: Readonly<Record<string, number>>; readonly times: readonly ChoiceTimes[] }> {
    const { workload, pkg } = this.whole;
    const counted = (use: Use): Use => ({
      ...use,
      workload: { ...use.workload, phases: use.workload.phases.filter((p) => o.metric.weights[p.name]), metrics: use.workload.metrics.filter((m) => m.name === o.metric.name) }, // prettier-ignore
    });
    const uses = [{ workload, fileOf: pkg.fileOf }, ...list.map((c) => c.built.use)].map(counted);
    const [original, ...measured] = await measureUses(uses, o, this.#ctx);
    return {
      original: Object.fromEntries(original!.phases.map((p) => [p.name, p.ms * o.metric.weights[p.name]!])),
      times: measured.map(({ ratios }) => {
        const all = Object.fromEntries(ratios.map((r) => [r.name, r.ratio]));
        const { [o.metric.name]: metric, ...phases } = all;
        return { phases, metric: metric! };
      }),
    };
  }
}

/** A choice in words. */
export function nameOf({ tokens, components }: PackageChoice): string {
  const parts = [
    ...(tokens ? [`${tokens.method} ${tokens.keep}`] : []),
    ...Object.entries(components).map(([id, share]) => `${id} ${share.toFixed(2)}x`),
  ];
  return parts.length > 0 ? parts.join(', ') : 'whole';
}
