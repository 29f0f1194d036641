/**
 * Times units at wanted shapes on this machine: many in one session, with each kernel's own time read from the trace.
 */
import type { Facts } from '../engine/ir/facts.ts';
import { byteSize, elementCount } from '../engine/ir/dtype.ts';
import type { Model } from '../engine/ir/model.ts';
import { microGraph, timesPerCase } from '../engine/latency/micro-graph.ts';
import type { MeasureConditions, UnitSpec } from '../engine/latency/signature.ts';
import { serializeModel } from '../engine/onnx/index.ts';
import { randomTensor } from './random-inputs.ts';
import { lowMean, median } from './statistics.ts';
import { toOrt } from './tensors.ts';
import { traceRuns } from './trace.ts';

/** Limits of one session: its weights and activations stay about as cache-warm as a real model's. */
const MAX_CASES = 48;
const MAX_BYTES = 48 << 20;
const MAX_RUN_MS = 12;
/** Target length of one session, within limits on the number of runs. */
const SESSION_MS = 160;
const MIN_RUNS = 12;
const MAX_RUNS = 48;

export interface MeasureContext {
  readonly facts: Facts;
  readonly model: Model;
  readonly where: MeasureConditions;
  /** Milliseconds of the reference case that results are scaled to; when absent, that of the first session. */
  reference: { ms?: number };
  /** Minimum number of runs per session; default 12. */
  readonly minRuns?: number;
}

/**
 * Milliseconds per signature, scaled to a machine where the reference case takes `context.reference.ms`. Specs with
 * equal signatures are measured once. Units that the runtime cannot run alone (a Reshape whose target does not fit the
 * width) are left out of the result.
 */
export async function measureUnits(
  specs: Iterable<UnitSpec>,
  context: MeasureContext & { onMeasured?: (done: number, of: number) => void },
): Promise<Map<string, number>> {
  const todo = new Map<string, UnitSpec>();
  for (const s of specs) if (!todo.has(s.signature)) todo.set(s.signature, s);
  const out = new Map<string, number>();
  const all = [...todo.values()];
  let done = 0;
  for (const batch of batches(all)) {
    await measureBatch(batch, context, out);
    context.onMeasured?.((done += batch.length), all.length);
  }
  return out;
}

/** Rough milliseconds of a case: the unit at full width, with its producers and pools. */
const costOf = (s: UnitSpec): number =>
  s.unit.profiledMs + 0.01 + s.unit.inputs.reduce((a, v) => a + elementCount(s.shape(v)), 0) * 1e-6;

function* batches(specs: readonly UnitSpec[]): Iterable<UnitSpec[]> {
  let batch: UnitSpec[] = [],
    bytes = 0,
    ms = 0;
  for (const s of specs) {
    const size = s.unit.constants.reduce((a, v) => a + (byteSize(1, s.shape(v)) ?? 0), 0);
    const cost = costOf(s);
    if (batch.length && (batch.length >= MAX_CASES || bytes + size > MAX_BYTES || ms + cost > MAX_RUN_MS)) {
      yield batch;
      [batch, bytes, ms] = [[], 0, 0];
    }
    batch.push(s);
    bytes += size;
    ms += cost;
  }
  if (batch.length) yield batch;
}

/** Sessions get shorter in proportion when fewer runs are wanted. */
function runsOf(batch: readonly UnitSpec[], least = MIN_RUNS): number {
  const fitting = (SESSION_MS * least) / MIN_RUNS / batch.reduce((a, x) => a + costOf(x), 0);
  return Math.round(Math.min(MAX_RUNS, Math.max(least, fitting)));
}

/** A trace counts whole microseconds: a time of zero means less than one. */
const TICK_US = 1;

/** Microseconds of a kernel, never zero; NaN when it was not seen. @internal */
export const kernelUs = (us: readonly number[]): number => (us.length === 0 ? NaN : Math.max(lowMean(us), TICK_US / 2));

/** Whether a figure is a valid time: positive and finite. */
const isTime = (x: number): boolean => x > 0 && Number.isFinite(x);

/**
 * Milliseconds of the first `cases`, scaled to a machine where the reference takes `reference.ms`; null for those
 * without a valid time. The remaining entries are reference cases; their median becomes the reference where there is
 * none.
 * @internal
 */
export function scaledTimes(us: readonly number[], cases: number, reference: { ms?: number }): (number | null)[] {
  const seen = us.slice(cases).filter(isTime);
  // Without a reference from this session, its times cannot be compared with stored ones.
  if (seen.length === 0) return us.slice(0, cases).map(() => null);
  const own = median(seen) / 1000;
  if (reference.ms === undefined || !isTime(reference.ms)) reference.ms = own;
  const scale = reference.ms / own;
  return us.slice(0, cases).map((x) => (isTime(x) ? (x / 1000) * scale : null));
}

async function measureBatch(
  batch: readonly UnitSpec[],
  context: MeasureContext,
  out: Map<string, number>,
): Promise<void> {
  try {
    const { model, inputs, references } = microGraph(batch, context.facts, context.model);
    const feeds = Object.fromEntries(inputs.map((i) => [i.name, toOrt(randomTensor(i.dtype, i.dims))]));
    const trace = await traceRuns(serializeModel(model), () => feeds, {
      ...context.where,
      runs: runsOf(batch, context.minRuns),
      warmup: 2,
      fused: true,
    });
    const times = new Map(trace.kernels.map((k) => [k.name, kernelUs(k.us)]));
    if (!trace.fused) throw new Error('the runtime wrote no graph that could be read');
    const all = timesPerCase(batch.length + references, trace.fused, times);
    const got = scaledTimes(all, batch.length, context.reference);
    batch.forEach((s, k) => {
      const ms = got[k];
      if (ms != null) out.set(s.signature, ms);
    });
  } catch (e) {
    // One case that cannot run fails its whole session: halve until it is alone. Units without a time are reported with
    // the prices.
    if (batch.length === 1) return;
    if (process.env.SECATEUR_DEBUG) process.stderr.write(`latency: ${String(e).slice(0, 300)}\n`);
    const half = batch.length >> 1;
    await measureBatch(batch.slice(0, half), context, out);
    await measureBatch(batch.slice(half), context, out);
  }
}
