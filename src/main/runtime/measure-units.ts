/** Times units at wanted shapes on this machine: many in one session, each kernel's own time read off the trace. */
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

/** Bounds of one session: its weights and activations stay about as warm as a real model's. */
const MAX_CASES = 48;
const MAX_BYTES = 48 << 20;
const MAX_RUN_MS = 12;
/** One session runs about this long, within bounds on the number of runs. */
const SESSION_MS = 160;
const MIN_RUNS = 12;
const MAX_RUNS = 48;

export interface MeasureContext {
  readonly facts: Facts;
  readonly model: Model;
  readonly where: MeasureConditions;
  /** Milliseconds of the reference case that results are scaled to: the first session's own when absent. */
  reference: { ms?: number };
  /** Runs of one session at least; default 12. */
  readonly minRuns?: number;
}

/**
 * Milliseconds per signature, as on a machine where the reference case takes `context.reference.ms`. Specs with equal signatures are measured once; those that the runtime cannot run alone
 * (a Reshape whose target does not fit the width) are left out of the result.
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

/** Rough milliseconds of a case: the unit at full width, and the producers and pools about it. */
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

/** With fewer runs wanted, sessions are shorter in the same measure. */
function runsOf(batch: readonly UnitSpec[], least = MIN_RUNS): number {
  const fitting = (SESSION_MS * least) / MIN_RUNS / batch.reduce((a, x) => a + costOf(x), 0);
  return Math.round(Math.min(MAX_RUNS, Math.max(least, fitting)));
}

/** A trace counts whole microseconds: what it shows as none takes less than one. */
const TICK_US = 1;

/** Microseconds of a kernel that was seen at least once; never zero. NaN when it was not. @internal */
export const kernelUs = (us: readonly number[]): number => (us.length === 0 ? NaN : Math.max(lowMean(us), TICK_US / 2));

/** Whether a figure is a time: a positive number, and a finite one. */
const isTime = (x: number): boolean => x > 0 && Number.isFinite(x);

/**
 * Milliseconds of the first `cases`, as on a machine where the reference takes `reference.ms`; null for those without a
 * figure. What follows them are reference cases; their median becomes the reference where there is none.
 * @internal
 */
export function scaledTimes(us: readonly number[], cases: number, reference: { ms?: number }): (number | null)[] {
  const seen = us.slice(cases).filter(isTime);
  // Without a reference of this session nothing of it can be compared with what is known.
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
    // One case that cannot run spoils its session: halve until it is alone. What then has no time is told with the prices.
    if (batch.length === 1) return;
    if (process.env.SECATEUR_DEBUG) process.stderr.write(`latency: ${String(e).slice(0, 300)}\n`);
    const half = batch.length >> 1;
    await measureBatch(batch.slice(0, half), context, out);
    await measureBatch(batch.slice(half), context, out);
  }
}
