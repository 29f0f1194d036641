/**
 * Tests which stages a second job takes from the first one, by the folders and files that it adds.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CompressReport } from '../../src/shared/model/job.ts';
import { writeCompressFixture, type CompressFixture } from '../support/compress-fixture.ts';
import { buildSteady } from '../support/jobs/build-steady.ts';

let folder: string;
let fixture: CompressFixture;
let cli: string;
beforeAll(async () => {
  cli = await buildSteady('reuse');
  folder = mkdtempSync(join(tmpdir(), 'secateur-reuse-'));
  fixture = writeCompressFixture(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const RECIPE = { base: 'fast', recovery: { enabled: true, seconds: 1 } };
const seen = new Set<string>();

/**
 * Runs a job and returns the stages that ran and the figures that were begun, by the names of added
 * files.
 */
async function added(budget: string, recipe: object): Promise<Set<string>> {
  const path = join(folder, 'recipe.json');
  writeFileSync(path, JSON.stringify(recipe));
  const args = ['compress', fixture.model, '--budget', budget, '--data', fixture.data, '--recipe', path, '--output', 'y=classes', '--out', join(folder, 'out'), '--json']; // prettier-ignore
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: folder,
    env: { ...process.env, SECATEUR_HOME: join(folder, 'home') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (d) => (out += String(d)));
  child.stderr.on('data', (d) => (err += String(d)));
  await new Promise((resolve) => child.on('close', resolve));
  expect(out, err).not.toBe('');
  expect((JSON.parse(out) as CompressReport).bundle, out).not.toBeNull();
  const fresh = new Set<string>();
  for (const store of ['artifacts', 'memo']) {
    const root = join(folder, 'home', store);
    for (const name of existsSync(root) ? readdirSync(root) : []) {
      if (name.startsWith('.') || seen.has(name)) continue;
      seen.add(name);
      fresh.add(name.replace(/-[0-9a-f]{64}(\.jsonl)?$/, ''));
    }
  }
  return fresh;
}

/**
 * Stages that belong to one job, and those that belong to one plan. Plans tried for another budget
 * have costs of their own.
 */
const OWN = ['job-model', 'allocate', 'widen', 'second-look', 'compensate', 'recover', 'output-change'];

it('another budget, another recovery and other runs use what the first job made of the model', async () => {
  const first = await added('0.7x', RECIPE);
  for (const name of ['facts', 'latency', 'baseline', 'scores', 'output-change', 'targets', 'compensate', 'recover'])
    expect([...first], name).toContain(name);
  const second = await added('0.6x', {
    ...RECIPE,
    latencyRuns: 25,
    recovery: { enabled: true, seconds: 1.5, alpha: 0.5 },
  });
  expect(second).toContain('recover');
  expect([...second].filter((name) => !OWN.includes(name))).toEqual([]);
});

it('another criterion ranks anew, and uses the times and what the original makes of the samples', async () => {
  const third = await added('0.7x', { ...RECIPE, criterion: 'l1' });
  expect([...third]).toEqual(expect.arrayContaining(['scores', 'output-change']));
  expect([...third].filter((name) => !OWN.includes(name))).toEqual(['scores']);
});
