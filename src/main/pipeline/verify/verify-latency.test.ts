/** Verdicts on a bundle's latency with fixed figures; nothing is timed. */
import { expect, it } from 'vitest';
import { judgeLatency, type LatencyClaim, type LatencySeen } from './verify-latency.ts';

const CLAIM: LatencyClaim = {
  p50Ms: 10,
  processor: 'a processor',
  runtime: 'onnxruntime-node 1',
  provider: 'cpu',
  threads: 1,
  measured: true,
  yardstickMs: 2,
  yardstickNoiseMs: 0.02,
};

/**
 * @param times latency over the claim, after the correction by the yardstick
 * @param pace pace of the machine: 2 is half as fast
 */
function seen(times: number, pace = 1, half = 0.02, more: Partial<LatencySeen> = {}): LatencySeen {
  const p50Ms = 10 * times * pace;
  const stats = { p50Ms, p90Ms: p50Ms, p95Ms: p50Ms, p99Ms: p50Ms, meanMs: p50Ms, minMs: p50Ms, stdMs: 0, noiseMs: 0, runs: 50, batch: 1, threads: 1, provider: 'cpu' }; // prettier-ignore
  const ratio = { value: 5 * times, low: 5 * (times - half), high: 5 * (times + half) };
  return { stats, ratio, processor: 'a processor', runtime: 'onnxruntime-node 1', yardstickMs: 2 * pace, yardstickNoiseMs: 0.02, ...more }; // prettier-ignore
}

it.each([
  ['as claimed', seen(1), true],
  ['a fifth slower', seen(1.2), true],
  ['three tenths slower', seen(1.3), false],
  ['six times slower', seen(6), false],
  ['as claimed on a machine half as fast at the moment', seen(1, 1.9), true],
  ['as fast as claimed, but only since the machine is faster now', seen(1.6, 0.6), false],
  ['so near the limit that the noise decides', seen(1.24), null],
  ['on a machine five times as slow: it is in another state', seen(1, 5), null],
  ['beside an unsteady yardstick', seen(1.6, 1, 0.02, { yardstickNoiseMs: 0.5 }), null],
  ['on another processor', seen(6, 1, 0.02, { processor: 'another' }), null],
  ['with another runtime', seen(6, 1, 0.02, { runtime: 'onnxruntime-node 2' }), null],
  ['with another provider', seen(6, 1, 0.02, { stats: { ...seen(6).stats, provider: 'cuda' } }), null],
  ['with other threads', seen(6, 1, 0.02, { stats: { ...seen(6).stats, threads: 2 } }), null],
])('%s', (_name, what, ok) => {
  const judged = judgeLatency(CLAIM, what);
  expect(judged.ok, judged.detail).toBe(ok);
  if (ok === null) expect(judged.detail).toMatch(/^not comparable: /);
});

it('a claim without a steady yardstick, or one that was not measured, is not comparable', () => {
  for (const change of [{ yardstickMs: undefined }, { yardstickNoiseMs: 0.5 }, { measured: false }])
    expect(judgeLatency({ ...CLAIM, ...change }, seen(6)).ok).toBeNull();
});
