/**
 * Judges whether a bundle is as fast here as it claims. Milliseconds of different days are not
 * directly comparable, so the claim and the measurement are both taken relative to the yardstick
 * that ran beside them. When that correction is not trustworthy there is no verdict, which is
 * neither a pass nor a failure.
 */
import type { LatencyStats } from '../../../shared/model/types.ts';
import type { HostTensor } from '../../engine/executor.ts';
import { batchOf, sizesIn } from '../../runtime/axes.ts';
import { sumStats, type TimedPhase } from '../../engine/latency/phases.ts';
import { benchmark, type Candidate } from '../../runtime/bench.ts';
import { localDevice } from '../../runtime/device.ts';
import { openModelFile } from '../../storage/model-files.ts';
import type { ManifestFile } from '../pack/bundle-schema.ts';
import { withFeeds } from '../measure/measure.ts';
import { perPhase } from '../measure/phases.ts';
import { yardstick } from '../measure/yardstick.ts';

/** How much slower than claimed still passes, after the correction by the yardstick. */
const TOLERANCE = 0.25;
/**
 * A yardstick whose half-interval exceeds this share of its median is too noisy for a correction.
 */
const STEADY = 0.1;
/**
 * Beyond this factor in either direction the machine is in another state, and more than its speed
 * differs.
 */
const SAME_PACE = 2;
/**
 * Length of the measurement in seconds. It is fixed, so that the end does not depend on the
 * figures.
 */
const SECONDS = 3;

export interface LatencyClaim {
  readonly p50Ms: number;
  readonly processor: string;
  readonly runtime: string;
  readonly provider: string;
  readonly threads: number;
  readonly measured: boolean;
  /** Absent in bundles of earlier versions. */
  readonly yardstickMs?: number | undefined;
  /** Half-width of its interval, milliseconds. */
  readonly yardstickNoiseMs?: number | undefined;
}

export interface LatencySeen {
  readonly stats: LatencyStats;
  readonly processor: string;
  readonly runtime: string;
  readonly yardstickMs: number;
  readonly yardstickNoiseMs: number;
  /** The bundle's model over the yardstick, in neighbouring blocks: median and 95 % interval. */
  readonly ratio: { readonly value: number; readonly low: number; readonly high: number };
}

/** `ok` is null when the claim and the measurement are not comparable. */
export function judgeLatency(claim: LatencyClaim, seen: LatencySeen): { ok: boolean | null; detail: string } {
  const figures = `p50 ${seen.stats.p50Ms.toPrecision(4)} ms here, ${claim.p50Ms.toPrecision(4)} ms claimed`;
  const notComparable = (why: string) => ({ ok: null, detail: `not comparable: ${why} (${figures})` });
  const other = differences(claim, seen);
  if (other.length > 0) return notComparable(other.join('; '));
  if (claim.yardstickMs === undefined) return notComparable('the bundle does not contain the speed of the machine');
  const pace = seen.yardstickMs / claim.yardstickMs;
  if ((claim.yardstickNoiseMs ?? 0) > STEADY * claim.yardstickMs)
    return notComparable('the machine was unsteady when the claim was measured');
  if (!(seen.yardstickNoiseMs <= STEADY * seen.yardstickMs)) return notComparable('the machine is unsteady now');
  if (!(pace <= SAME_PACE && pace >= 1 / SAME_PACE))
    return notComparable(`a small fixed network takes ${pace.toPrecision(3)} times as long as then`);
  // Both relative to the yardstick: 1 when the claim holds exactly.
  const scale = claim.yardstickMs / claim.p50Ms;
  const [value, low, high] = [seen.ratio.value * scale, seen.ratio.low * scale, seen.ratio.high * scale];
  const limit = 1 + TOLERANCE;
  const corrected = `${figures}: ${value.toFixed(2)}x the claim after the yardstick (${low.toFixed(2)} to ${high.toFixed(2)})`;
  if (high <= limit) return { ok: true, detail: corrected };
  if (low > limit) return { ok: false, detail: `${corrected}; at most ${limit}x passes` };
  return notComparable(`${value.toFixed(2)}x the claim, between ${low.toFixed(2)} and ${high.toFixed(2)}: too close to ${limit}x to tell`); // prettier-ignore
}

function differences(claim: LatencyClaim, seen: LatencySeen): string[] {
  const pairs = [
    ['processor', claim.processor, seen.processor],
    ['runtime', claim.runtime, seen.runtime],
    ['provider', claim.provider, seen.stats.provider],
    ['number of threads', claim.threads, seen.stats.threads],
  ] as const;
  const out = pairs.flatMap(([what, then, now]) =>
    then === now ? [] : [`another ${what} (${now} here, ${then} there)`],
  );
  return claim.measured ? out : ['the claim was not measured', ...out];
}

export function claimOf(manifest: ManifestFile): LatencyClaim {
  const { measurements } = manifest.additional_metadata.secateur;
  const { latency } = measurements.pruned;
  const { kind, processor, runtime } = measurements.provenance;
  return {
    p50Ms: latency.p50Ms,
    processor,
    runtime,
    provider: latency.provider,
    threads: latency.threads,
    measured: kind === 'measured',
    yardstickMs: measurements.yardstickMs,
    yardstickNoiseMs: measurements.yardstickNoiseMs,
  };
}

export interface SeeRequest {
  /** Sizes of dynamic axes; default: those of `feeds`. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** For a component of a package: the phases whose weighted sum is its latency. */
  readonly phases?: readonly TimedPhase[] | undefined;
  readonly model: string;
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Conditions of the claim. */
  readonly latency: { readonly batch: number; readonly threads: number; readonly provider: string };
  readonly runs: number;
}

/**
 * Measures the bundle's model and the yardstick interleaved. @throws SecateurError
 * 'runtime-rejected'
 */
export async function seeLatency({
  model,
  feeds,
  latency,
  runs,
  dims: given,
  phases,
}: SeeRequest): Promise<LatencySeen> {
  const device = localDevice();
  const { batch } = latency;
  const provider = device.providers.includes(latency.provider) ? latency.provider : 'cpu';
  const threads = Math.min(latency.threads, device.cores);
  // Golden inputs have one sample, so a budget of another batch is measured on random inputs.
  const graph = openModelFile(model);
  const asClaimed = !given && (batchOf(graph, feeds) ?? batch) === batch;
  const dims = { ...sizesIn(graph, feeds), ...given };
  const candidates: Candidate[] = phases
    ? perPhase({ name: 'bundle', model }, phases).map(withFeeds)
    : [{ name: 'bundle', model, ...(asClaimed && { feeds }) }];
  const [pace, ...seen] = await benchmark([yardstick(), ...candidates], {
    threads,
    provider,
    batch,
    dims,
    runs,
    precision: 0,
    maxSeconds: SECONDS,
    whole: true,
  });
  const weights = phases?.map((p) => p.weight) ?? [1];
  const sum = (of: 'value' | 'low' | 'high'): number => seen.reduce((n, r, i) => n + weights[i]! * r.ratio[of], 0);
  return {
    stats: sumStats(
      seen.map((r) => r.stats),
      weights,
    ),
    processor: device.processor,
    runtime: device.runtime,
    yardstickMs: pace!.stats.p50Ms,
    yardstickNoiseMs: pace!.stats.noiseMs,
    ratio: { value: sum('value'), low: sum('low'), high: sum('high') },
  };
}
