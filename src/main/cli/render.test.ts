import { describe, expect, it } from 'vitest';
import type { CompressReport, ModelMeasure, Quality } from '../../shared/model/job.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import { bytes, count, duration, milliseconds, table } from './format.ts';
import type { CliIo } from './io.ts';
import { ProgressView } from './progress.ts';
import { renderCompress } from './render.ts';

describe('numbers', () => {
  it('keep three digits', () => {
    expect([0.8123, 1.234, 12.34, 123.4].map(milliseconds)).toEqual(['0.812 ms', '1.23 ms', '12.3 ms', '123 ms']);
    expect([0, 999, 40_600_000, 1.2e12].map(count)).toEqual(['0', '999', '40.6 M', '1.20 T']);
    expect([10, 2048, 300 * 1024 * 1024].map(bytes)).toEqual(['10 B', '2.00 KiB', '300 MiB']);
    expect([400, 59_900, 200_000, 7_500_000].map(duration)).toEqual(['0 s', '1 min 0 s', '3 min 20 s', '2 h 5 min']);
  });
  it('line up', () => {
    expect(
      table([
        ['a', '1'],
        ['long', '22'],
      ]),
    ).toBe('a      1\nlong  22\n');
  });
});

const measure = (p50Ms: number, params: number, quality: Partial<Quality>): ModelMeasure => ({
  p50Ms,
  p90Ms: p50Ms * 1.1,
  p95Ms: p50Ms * 1.2,
  p99Ms: p50Ms * 1.5,
  meanMs: p50Ms,
  minMs: p50Ms,
  stdMs: 0.1,
  noiseMs: 0.05,
  runs: 100,
  batch: 1,
  threads: 1,
  provider: 'cpu',
  macs: params * 100,
  params,
  bytes: params * 4,
  quality: { samples: 1000, snrDb: null, ...quality },
});

const report: CompressReport = {
  job: '20260101-000000-abcdef',
  budgetMs: 5,
  met: true,
  baseline: measure(10, 800_000, { top1: 0.899, agreement: 1 }),
  result: measure(4.9, 300_000, { top1: 0.891, agreement: 0.95, snrDb: 18.2 }),
  compensated: { samples: 1000, top1: 0.861, agreement: 0.91, snrDb: 12 },
  bundle: '/out/m.ortpackage',
  model: '/out/m.onnx',
  skipped: [{ group: 'conv9', operator: 'TopK', reason: 'it has no rules' }],
  family: 'cnn',
  groups: [
    { id: 'conv1', units: 16, kept: 8, paramsPerUnit: 9, nodes: [] },
    { id: 'conv2', units: 16, kept: 16, paramsPerUnit: 9, nodes: [] },
  ],
  blocksRemoved: ['layer2.1'],
  provenance: { kind: 'measured', device: 'local', processor: 'p', runtime: 'r', date: '' },
  recipe: PRESETS.balanced,
  seconds: { load: 1, recover: 61 },
  notes: ['one note'],
};

describe('the table of compress', () => {
  it('shows before, after, the budget, what went and what was skipped', () => {
    const text = renderCompress(report);
    expect(text).toMatch(/latency p50\s+10\.0 ms\s+4\.90 ms\s+0\.49x/);
    expect(text).toMatch(/latency p95\s+12\.0 ms\s+5\.88 ms\s+0\.49x/);
    expect(text).toMatch(/parameters\s+800 k\s+300 k\s+0\.38x/);
    expect(text).toMatch(/file size\s+3\.05 MiB\s+1\.14 MiB/);
    expect(text).toMatch(/top-1\s+89\.9%\s+89\.1%\s+-0\.8 pts/);
    expect(text).toMatch(/agreement\s+100\.0%\s+95\.0%/);
    expect(text).toMatch(/budget 5\.00 ms: met/);
    expect(text).toMatch(/before recovery: top-1 86\.1%/);
    expect(text).toMatch(/conv1\s+16\s+8\s+50%/);
    expect(text).not.toMatch(/conv2/);
    expect(text).toMatch(/blocks removed: layer2\.1/);
    expect(text).toMatch(/conv9\s+TopK\s+it has no rules/);
    expect(text).toMatch(/job\s+20260101-000000-abcdef \(1 min 2 s\)/);
  });

  it.each([
    ['met', true, /budget 5\.00 ms: met \(95\.0% to 99\.0% of it, 95 % interval\)/],
    ['missed', false, /budget 5\.00 ms: missed \(/],
    ['too-close', false, /budget 5\.00 ms: too close to call \(/],
  ] as const)('prints the verdict %s with its interval', (verdict, met, text) => {
    expect(renderCompress({ ...report, met, latency: { verdict, low: 0.95, high: 0.99 } })).toMatch(text);
  });

  it('says why a budget cannot be reached, without figures that do not exist', () => {
    const text = renderCompress({
      ...report,
      met: false,
      result: null,
      compensated: null,
      bundle: null,
      model: null,
      unreachable: { reason: 'too small', bestMs: 7, holds: [{ operator: 'Conv conv1', ms: 6 }] },
    });
    expect(text).toMatch(/budget 5\.00 ms: not met/);
    expect(text).toMatch(/cannot be reached: too small/);
    expect(text).toMatch(/Conv conv1\s+6\.00 ms/);
    expect(text).not.toMatch(/undefined|null|NaN/);
  });
});

describe('progress', () => {
  const view = (tty: boolean): { view: ProgressView; text: () => string } => {
    let text = '';
    const io: CliIo = {
      out: () => undefined,
      err: (t) => (text += t),
      errIsTty: tty,
      columns: 60,
      cwd: '/',
      debug: false,
    };
    return { view: new ProgressView(io), text: () => text };
  };
  const at = (stage: string, fraction: number) => ({ stage, fraction, message: '', etaMs: 90_000 });

  it('is a line per stage and tenth where lines cannot be rewritten', () => {
    const { view: v, text } = view(false);
    for (let i = 0; i <= 100; i++) v.update(at(i < 50 ? 'a' : 'b', i / 100));
    expect(text().split('\n')).toHaveLength(12);
    expect(text()).not.toContain('\r');
  });

  it('is one line on a terminal, never wider than it, and gone at the end', () => {
    const { view: v, text } = view(true);
    v.update(at('a stage with a very long name that would not fit in the terminal', 0.5));
    expect(text().replace(/\r\x1b\[K/, '').length).toBeLessThan(60); // eslint-disable-line no-control-regex
    v.clear();
    expect(text().endsWith('\r\x1b[K')).toBe(true);
    expect(text()).not.toContain('\n');
  });
});
