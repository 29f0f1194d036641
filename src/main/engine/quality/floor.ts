/** Decides whether a result kept enough quality to be accepted, and what limits the confidence in that. */
import type { Quality, QualityFloor } from '../../../shared/model/job.ts';
import {
  DEFAULT_FLOOR,
  FEW_SAMPLES,
  TOO_FEW_SAMPLES,
  type Interval,
  type OutputQuality,
} from '../../../shared/model/quality.ts';
import { READING_TEXT } from '../../../shared/model/readings.ts';
import { HEADS } from '../heads/registry.ts';
import { wilson } from '../heads/support/intervals.ts';

export interface Verdict {
  /** Reasons why it is not accepted, worst first, as sentences; empty when it is accepted. */
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
  /** True where the quality itself is too low: keeping more units may raise it. False where it could not be judged. */
  readonly ruined: boolean;
}

const NOT_MEASURED = 'Quality was not measured, because no data were given.';

/**
 * Minimum share of the range between chance and perfect agreement: high agreement means little where all samples are
 * alike.
 */
const OVER_CHANCE = 0.5;
/** Maximum relative drop of the original's accuracy by default: ten points are too many out of fifteen. */
const RELATIVE_DROP = 0.2;

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
const between = (i: Interval | undefined): string =>
  i ? ` (95 % interval ${(100 * i.low).toFixed(1)} to ${(100 * i.high).toFixed(1)} %)` : '';

/**
 * Judges a result. With labels, accuracy decides about classes, and agreement only where it was requested: a result may
 * differ from the original and be equally correct.
 * @param original its own quality on the same samples
 * @param given the user's limits; the others come from `DEFAULT_FLOOR`
 */
export function judgeQuality(original: Quality | null, q: Quality | null, given: QualityFloor = {}): Verdict {
  if (!q || !original) return { reasons: [NOT_MEASURED], warnings: [], ruined: false };
  const ruins: string[] = [];
  const unknown: string[] = [];
  if (q.nonFinite) ruins.push(`The outputs of ${q.nonFinite} of ${q.samples} samples are NaN or infinite.`);
  const accurate = accuracy(original, q, given, ruins, unknown);
  let judged = accurate ? 1 : 0;
  const outputs = q.outputs ?? [];
  for (const o of outputs) {
    if (o.samples === 0) continue;
    const labelled = accurate && o === labelledOf(outputs);
    if (labelled && given.minAgreement === undefined) continue;
    const { ruin, reason } = ofOutput(o, given, outputs.length > 1);
    if (o.unjudged === undefined) judged++;
    if (ruin) ruins.push(ruin);
    else if (reason) unknown.push(reason);
  }
  if (!judged && !unknown.length) unknown.push('No output could be judged.');
  // An output that these data cannot judge does not prevent others from being judged.
  const blocking = judged ? unknown.filter((u) => u.startsWith(CHANCE)) : unknown;
  const warnings = unknown.filter((u) => !blocking.includes(u));
  if (q.samples < TOO_FEW_SAMPLES)
    blocking.push(
      `Judged on ${q.samples} sample${q.samples === 1 ? '' : 's'} only: no result is accepted on fewer than ${TOO_FEW_SAMPLES}. Give more data.`,
    );
  else if (q.samples < FEW_SAMPLES)
    warnings.push(`Judged on ${q.samples} samples: fewer than ${FEW_SAMPLES} give a large uncertainty.`);
  return { reasons: [...ruins, ...blocking], warnings, ruined: ruins.length > 0 };
}

const CHANCE = 'The original itself';

/** The output that was compared with the labels. */
const labelledOf = (outputs: readonly OutputQuality[]): OutputQuality | undefined =>
  outputs.find((o) => o.labelChance !== undefined) ?? outputs.find((o) => o.reading === 'classes');

/** @returns whether accuracy was judged */
function accuracy(original: Quality, q: Quality, given: QualityFloor, ruins: string[], unknown: string[]): boolean {
  if (original.top1 === undefined || q.top1 === undefined) return false;
  const n = q.samples;
  const classes = labelledOf(q.outputs ?? []);
  const chance = Math.max(1 / 1000, classes?.labelChance ?? 0);
  const own = original.top1Interval ?? wilson(original.top1 * n, n);
  if (own.low <= chance) {
    unknown.push(
      `${CHANCE} is right on ${percent(original.top1)} of the samples, not above the share of the most frequent label (${percent(chance)}): check labels and preprocessing.`,
    );
    return true;
  }
  const asked = given.maxDrop;
  const allowed = asked ?? Math.min(DEFAULT_FLOOR.maxDrop, RELATIVE_DROP * original.top1);
  const drop = original.top1 - q.top1;
  if (drop > allowed + 1e-9)
    ruins.push(
      `Top-1 fell from ${percent(original.top1)} to ${percent(q.top1)}${between(q.top1Interval)}: ${(100 * drop).toFixed(1)} points, and at most ${(100 * allowed).toFixed(1)} are allowed.`,
    );
  else if (q.top1 <= chance)
    ruins.push(`Top-1 is ${percent(q.top1)}, not above the share of the most frequent label (${percent(chance)}).`);
  return true;
}

function ofOutput(
  o: OutputQuality,
  given: QualityFloor,
  several: boolean,
): { readonly ruin?: string; readonly reason?: string } {
  const of = several ? `${o.name}: ` : '';
  if (o.unjudged !== undefined) return { reason: `${of}${o.unjudged}, so agreement cannot be measured.` };
  const { figure } = READING_TEXT[o.reading];
  if (HEADS.of(o.reading).floor === 'psnrDb') {
    const least = given.minPsnrDb ?? DEFAULT_FLOOR.minPsnrDb;
    const psnr = o.psnrDb ?? Infinity;
    return psnr < least ? { ruin: `${of}${figure} is ${psnr.toFixed(1)} dB, below the floor of ${least} dB.` } : {};
  }
  if (o.agreement === undefined) return { reason: `${of}Agreement was not measured.` };
  const least = given.minAgreement ?? DEFAULT_FLOOR.minAgreement;
  if (o.agreement < least - 1e-9)
    return {
      ruin: `${of}${figure} is ${percent(o.agreement)}${between(o.interval)}, below the floor of ${percent(least)}.`,
    };
  const chance = o.chance ?? 0;
  if (chance < 1 && (o.agreement - chance) / (1 - chance) < OVER_CHANCE)
    return {
      ruin: `${of}${figure} is ${percent(o.agreement)}, and a constant output reaches ${percent(chance)} on these samples.`,
    };
  return {};
}
