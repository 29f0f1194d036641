import { describe, expect, it } from 'vitest';
import type { Metric, Workload } from '../../../shared/model/package.ts';
import type { LatencyStats } from '../../../shared/model/types.ts';
import { sumModels } from '../../engine/latency/phases.ts';
import { LatencyModel } from '../../engine/latency/predict.ts';
import type { CandidateResult } from '../../runtime/bench.ts';
import { foldPhases, timedPhases } from './phases.ts';

const stats = (ms: number, noiseMs = 0): LatencyStats => ({ p50Ms: ms, p90Ms: ms, p95Ms: 2 * ms, p99Ms: ms, meanMs: ms, minMs: ms, stdMs: noiseMs, noiseMs, runs: 10, batch: 1, threads: 1, provider: 'cpu' }); // prettier-ignore
/** @param ratio ratio to the first candidate */
const result = (ms: number, ratio: number, noiseMs = 0): CandidateResult => ({
  name: '',
  stats: stats(ms, noiseMs),
  contention: 0,
  quietMs: ms,
  quietRatio: ratio,
  ratio: { value: ratio, low: ratio, high: ratio },
  gain: 0,
});
const phases = [
  { name: 'prefill', dims: { sequence: 64 }, weight: 0.25 },
  { name: 'decode', dims: { sequence: 1 }, weight: 0.75 },
];

it('are those of the component that count, with the share of its runs', () => {
  const metric: Metric = { name: 'total', about: '', weights: { see: 1, prefill: 1, decode: 3 } };
  const workload = {
    phases: [
      { name: 'see', component: 'tower', repeat: 1, dims: {} },
      ...phases.map(({ name, dims }) => ({ name, component: 'decoder', repeat: 1, dims })),
    ],
  } as unknown as Workload;
  expect(timedPhases(workload, metric, 'decoder')).toEqual(phases);
  expect(timedPhases(workload, { ...metric, weights: { decode: 1 } }, 'decoder')).toEqual([
    { ...phases[1], weight: 1 },
  ]);
});

describe('two models that were measured in every phase', () => {
  // 8 and 4 ms, then 4 and 3: the sum falls from 5 to 3.25 ms.
  const results = [result(8, 1, 3), result(4, 0.5, 1), result(4, 0.5), result(3, 0.375), result(1, 0.125)];

  it('are one pair of sums, and the yardstick follows', () => {
    const [original, pruned, pace] = foldPhases(results, phases);
    expect([original!.stats.p50Ms, pruned!.stats.p50Ms, original!.stats.p95Ms]).toEqual([5, 3.25, 10]);
    expect(pruned!.ratio.value).toBeCloseTo(3.25 / 5, 12);
    expect(original!.stats.noiseMs).toBeCloseTo(Math.hypot(0.75, 0.75), 12);
    expect(pace).toBe(results[4]);
  });

  it('stay as they are without phases', () => {
    expect(foldPhases(results, undefined)).toBe(results);
    expect(foldPhases(results, [phases[0]!])).toBe(results);
  });
});

it('the sum of latency models predicts the weighted sum of what each predicts', () => {
  const model = (full: number, half: number): LatencyModel => {
    const unit = { name: 'u', opType: 'MatMul', nodes: [], groups: ['g'], profiledMs: full };
    return new LatencyModel({
      tables: [{ unit, grid: [{ group: 'g', counts: [4, 8] }], ms: [half, full] }],
      otherMs: 0,
      baselineMs: 2 * full,
    });
  };
  const [prefill, decode] = [model(10, 4), model(2, 1.5)];
  const both = sumModels([
    { model: prefill, weight: 0.25 },
    { model: decode, weight: 0.75 },
  ]);
  expect(both.baselineMs).toBe(0.25 * 20 + 0.75 * 4);
  for (const keep of [8, 6, 4]) {
    const at = new Map([['g', keep]]);
    expect(both.predict(at)).toBeCloseTo(0.25 * prefill.predict(at) + 0.75 * decode.predict(at), 9);
  }
  // Units of both phases belong to the group.
  expect(both.unitsOf('g')).toHaveLength(2);
});
