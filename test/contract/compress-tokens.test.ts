/** A job on a transformer: fewer tokens alone, and fewer tokens beside heads, over given latencies. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompressReport } from '../../src/shared/model/job.ts';
import type { Plan } from '../../src/shared/model/types.ts';
import { encodeNpy } from '../../src/main/data/npy.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { buildSteady } from '../support/jobs/build-steady.ts';
import { buildTransformer } from '../support/transformer.ts';

let folder: string;
let cli: string;
beforeAll(async () => {
  cli = await buildSteady('steady-tokens');
  folder = mkdtempSync(join(tmpdir(), 'secateur-tokens-'));
  writeFileSync(join(folder, 'vit.onnx'), serializeModel(buildTransformer({ batch: 'batch', side: 4, width: 16, layers: 2 })));
  const random = seededRandom(5);
  const data = Float32Array.from({ length: 64 * 768 }, () => random.normal());
  writeFileSync(join(folder, 'data.npy'), encodeNpy({ dtype: DType.FLOAT, dims: [64, 3, 16, 16], data }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

function run(...args: string[]): { code: number | null; out: string; err: string } {
  const env = { ...process.env, SECATEUR_HOME: join(folder, 'home') };
  const r = spawnSync(process.execPath, [cli, ...args], { cwd: folder, env, encoding: 'utf8' });
  return { code: r.status, out: r.stdout, err: r.stderr };
}

function compress(name: string, budget: string, recipe: object, ...more: string[]): CompressReport {
  writeFileSync(join(folder, `${name}.json`), JSON.stringify({ base: 'fast', latencyRuns: 20, ...recipe }));
  const out = ['--recipe', `${name}.json`, '--out', join(folder, name), '--output', 'logits=classes', '--json'];
  const r = run('compress', 'vit.onnx', '--budget', budget, ...out, ...more);
  expect(r.out, r.err).not.toBe('');
  return JSON.parse(r.out) as CompressReport;
}

describe('a job on a transformer', () => {
  it('meets a budget by fewer tokens alone, and its bundle can be verified', () => {
    const r = compress('alone', '0.6x', { tokens: 'stride', channels: false, blocks: false }, '--data', 'data.npy');
    expect(r.met).toBe(true);
    expect(r.tokens!.schedule!.method).toBe('stride');
    expect(r.tokens!.left).toBeLessThan(r.tokens!.before);
    expect(r.tokens!.tried.map((t) => t.way)).toEqual(['tokens']);
    expect(r.result!.macs).toBeLessThan(0.6 * r.baseline.macs);
    expect(r.groups.every((g) => g.kept === g.units)).toBe(true);
    const plan = JSON.parse(readFileSync(join(r.bundle!, 'secateur/plan.json'), 'utf8')) as Plan;
    expect(plan.tokens).toEqual(r.tokens!.schedule);
    const checks = (
      JSON.parse(run('verify', r.bundle!, '--json').out) as { checks: { name: string; ok: boolean | null }[] }
    ).checks;
    expect(checks.filter((c) => c.ok === false && c.name !== 'latency')).toEqual([]);
  });

  it('compares ways, makes the one that changes the outputs least, and teaches it with all tokens', () => {
    const r = compress('auto', '0.6x', { recovery: { enabled: true, seconds: 1 } }, '--data', 'data.npy');
    const { tried, schedule } = r.tokens!;
    expect(tried.map((t) => t.way)).toContain('other structures');
    expect(tried.length).toBeGreaterThan(1);
    const changes = tried.flatMap((t) => (t.change === null ? [] : [t.change]));
    const best = tried.find((t) => t.change === Math.min(...changes))!;
    expect(schedule).toEqual(best.schedule);
    expect(r.met).toBe(true);
    expect(r.notes.join()).toMatch(/Recovery: \d+ steps/);
  });

  it('leaves tokens whole without data, and says so', () => {
    const r = compress('blind', '0.7x', {});
    expect(r.tokens).toBeUndefined();
    expect(r.notes.join()).toContain('without data');
  });
});
