/**
 * Compares latencies of models side by side. Candidates take turns in short blocks (A B B A ...), so that disturbances
 * of the machine affect all of them alike. Their ratio is therefore more precise than any single figure.
 */
import * as ort from 'onnxruntime-node';
import type { LatencyStats } from '../../shared/model/types.ts';
import type { HostTensor } from '../engine/executor.ts';
import { Model } from '../engine/ir/model.ts';
import { readModel } from '../engine/onnx/index.ts';
import { openModelFile } from '../storage/model-files.ts';
import { createExecutor, type RuntimeSession } from './executor.ts';
import { runtimeError } from './errors.ts';
import { randomFeeds } from './random-inputs.ts';
import { median, medianInterval, quantile, sortedCopy } from './statistics.ts';
import { toOrt } from './tensors.ts';

export interface Candidate {
  readonly name: string;
  /** A model, its serialized bytes, or a file. */
  readonly model: Model | Uint8Array | string;
  /** An open session of the same model, which saves opening it again. It stays open. */
  readonly session?: RuntimeSession;
  /** Inputs; default: random ones with the sizes of `inputShapes`. */
  readonly feeds?: Readonly<Record<string, HostTensor>>;
}

export interface BenchOptions {
  readonly threads?: number;
  readonly provider?: string;
  /** Size of batch axes, default 1. */
  readonly batch?: number;
  /** Sizes of other named axes. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Minimum number of measured runs per candidate; default 50. */
  readonly runs?: number;
  /** Unmeasured runs per candidate before the first block; default 5. */
  readonly warmup?: number;
  readonly minSeconds?: number;
  /** Time limit for all candidates together; default 10. Fewer than `runs` are measured when it is reached. */
  readonly maxSeconds?: number;
  /** Stops when the relative half-width of every ratio to the first is at most this; default 0.01. */
  readonly precision?: number;
  /** A ratio whose whole interval lies in this band is precise enough, however wide the interval; default: none. */
  readonly band?: readonly [number, number];
  /** Whether the first candidate's own time must be precise too, not only the ratios to it; default true. */
  readonly absolute?: boolean;
  /** Runs as many rounds as an interval needs, whatever the time limit. For figures that are shown; default false. */
  readonly whole?: boolean;
}

export interface CandidateResult {
  readonly name: string;
  readonly stats: LatencyStats;
  /** Share of the measured time in which the process was not on its core: 0 on a quiet machine (one thread only). */
  readonly contention: number;
  /**
   * Estimated milliseconds per run without waiting for a core: processor time with one thread, the 10th percentile with
   * several. A hint for busy machines only: it still includes the cost of cold caches, and has differed from the paired
   * ratio by a fifth. Decide by `ratio`.
   */
  readonly quietMs: number;
  /** quietMs relative to that of the first candidate. */
  readonly quietRatio: number;
  /** Ratio to the first candidate over pairs of adjacent blocks: median and 95 % interval. 1 for the first itself. */
  readonly ratio: { readonly value: number; readonly low: number; readonly high: number };
  /**
   * 1 - ratio when the interval excludes 1, else 0, because a gain below the noise floor does not count. Negative =
   * slower.
   */
  readonly gain: number;
}

/** Target length of a block: short against drifts of the machine, long against the cost of switching models. */
const BLOCK_MS = 12;
/** The 95 % interval of a median does not exist for fewer rounds. */
const MIN_ROUNDS = 6;

interface Contestant {
  readonly name: string;
  readonly session: RuntimeSession;
  /** The session was opened for this measurement. */
  readonly own: boolean;
  readonly feeds: Record<string, ort.Tensor>;
  readonly times: number[];
  readonly blockMedians: number[];
  runsPerBlock: number;
  wallMs: number;
  cpuMs: number;
}

/** @throws SecateurError 'runtime-rejected' when a candidate does not open or run. */
export async function benchmark(
  candidates: readonly Candidate[],
  options: BenchOptions = {},
): Promise<CandidateResult[]> {
  const {
    runs = 50,
    warmup = 5,
    minSeconds = 0,
    maxSeconds = 10,
    precision = 0.01,
    band,
    absolute = true,
    whole = false,
  } = options;
  const contestants: Contestant[] = [];
  const judged = (): readonly Contestant[] => (absolute ? contestants : contestants.slice(1));
  try {
    for (const c of candidates) contestants.push(await prepare(c, options));
    for (const c of contestants) await warm(c, Math.max(1, warmup));
    const start = performance.now();
    for (let round = 0; ; round++) {
      // Every other round runs backwards, so that a drift within the round cancels out.
      for (const c of round % 2 ? [...contestants].reverse() : contestants) await block(c);
      const seconds = (performance.now() - start) / 1000;
      if (round + 1 < MIN_ROUNDS) {
        if (!whole && seconds > maxSeconds * 2) break;
        continue;
      }
      if (seconds >= maxSeconds) break;
      if (seconds < minSeconds || contestants.some((c) => c.times.length < runs)) continue;
      // The interval is a bootstrap: computing it after every block would cost more than the block.
      const slow = contestants.some((c) => c.runsPerBlock === 1);
      if ((slow || round % 4 === 3) && judged().every((c) => isKnown(c, contestants[0]!, precision, band))) break;
    }
    return contestants.map((c) => result(c, contestants[0]!, options));
  } catch (e) {
    throw runtimeError(e);
  } finally {
    for (const c of contestants) if (c.own) await c.session.release();
  }
}

/** Opens the session that `benchmark` would open. */
export function openCandidate(
  model: Candidate['model'],
  { threads = 1, provider = 'cpu' }: Pick<BenchOptions, 'threads' | 'provider'>,
): Promise<RuntimeSession> {
  const executor = createExecutor();
  return model instanceof Model
    ? executor.open(model, { threads, provider })
    : executor.openBytes(model, { threads, provider });
}

async function prepare(c: Candidate, options: BenchOptions): Promise<Contestant> {
  const session = c.session ?? (await openCandidate(c.model, options));
  const given = c.feeds ?? randomFeeds(structureOf(c.model), options);
  const feeds: Record<string, ort.Tensor> = {};
  for (const name of session.inputNames) if (given[name]) feeds[name] = toOrt(given[name]);
  const own = c.session === undefined;
  return { name: c.name, session, own, feeds, times: [], blockMedians: [], runsPerBlock: 1, wallMs: 0, cpuMs: 0 };
}

/** The candidate as a graph: its inputs are sized by the common rule. */
function structureOf(model: Candidate['model']): Model {
  if (model instanceof Model) return model;
  return typeof model === 'string' ? openModelFile(model) : readModel(model);
}

async function warm(c: Contestant, n: number): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < n; i++) {
    const t = performance.now();
    await c.session.raw.run(c.feeds);
    times.push(performance.now() - t);
    // The first run allocates memory; a long model needs no further warm-up.
    if (i > 0 && times[i]! > 3 * BLOCK_MS) break;
  }
  c.runsPerBlock = Math.max(1, Math.min(64, Math.round(BLOCK_MS / Math.min(...times))));
}

async function block(c: Contestant): Promise<void> {
  // The other model's weights are in the caches now. One unmeasured run brings this model's back. It makes no
  // difference to a run longer than a block.
  if (c.runsPerBlock > 1) await c.session.raw.run(c.feeds);
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let i = 0; i < c.runsPerBlock; i++) {
    const t = performance.now();
    await c.session.raw.run(c.feeds);
    times.push(performance.now() - t);
  }
  const used = process.cpuUsage(cpu);
  c.cpuMs += (used.user + used.system) / 1000;
  for (const t of times) {
    c.times.push(t);
    c.wallMs += t;
  }
  c.blockMedians.push(median(times));
}

const ratios = (c: Contestant, first: Contestant): number[] => c.blockMedians.map((m, i) => m / first.blockMedians[i]!);

function isKnown(c: Contestant, first: Contestant, precision: number, band: BenchOptions['band']): boolean {
  // The first candidate is judged by its own repeatability.
  return c === first ? knownWell(c.blockMedians, precision) : knownWell(ratios(c, first), precision, band);
}

/** Whether the median of figures is known to a relative half-width, or certainly lies in the band. @internal */
export function knownWell(x: readonly number[], precision: number, band?: BenchOptions['band']): boolean {
  const { low, high } = medianInterval(x);
  if (band && low >= band[0] && high <= band[1]) return true;
  return (high - low) / 2 <= precision * median(x);
}

function result(c: Contestant, first: Contestant, options: BenchOptions): CandidateResult {
  const interval = c === first ? { low: 1, high: 1 } : medianInterval(ratios(c, first));
  const ratio = { value: c === first ? 1 : median(ratios(c, first)), ...interval };
  const threads = options.threads ?? 1;
  return {
    name: c.name,
    stats: {
      ...describe(c.times, c.blockMedians),
      batch: options.batch ?? 1,
      threads,
      provider: options.provider ?? 'cpu',
    },
    quietMs: quiet(c, threads),
    quietRatio: quiet(c, threads) / quiet(first, threads),
    contention: threads === 1 ? Math.max(0, 1 - c.cpuMs / c.wallMs) : 0,
    ratio,
    gain: ratio.low > 1 || ratio.high < 1 ? 1 - ratio.value : 0,
  };
}

const quiet = (c: Contestant, threads: number): number =>
  threads === 1 ? Math.min(c.cpuMs, c.wallMs) / c.times.length : quantile(sortedCopy(c.times), 0.1);

/** Quantiles of all runs. The noise floor is the half-width of the 95 % interval of the median of the block medians. */
function describe(
  times: readonly number[],
  blockMedians: readonly number[],
): Omit<LatencyStats, 'batch' | 'threads' | 'provider'> {
  const s = sortedCopy(times);
  let mean = 0,
    square = 0;
  for (const t of s) mean += t / s.length;
  for (const t of s) square += (t - mean) ** 2 / s.length;
  const { low, high } = medianInterval(blockMedians);
  return {
    p50Ms: quantile(s, 0.5),
    p90Ms: quantile(s, 0.9),
    p95Ms: quantile(s, 0.95),
    p99Ms: quantile(s, 0.99),
    meanMs: mean,
    minMs: s[0]!,
    stdMs: Math.sqrt(square),
    noiseMs: (high - low) / 2,
    runs: s.length,
  };
}
