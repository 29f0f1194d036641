/**
 * A whole job on a model of several inputs, with data for all of them: from the array archive to
 * the bundle.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompareReport } from '../../src/shared/model/tasks.ts';
import type { CompressReport } from '../../src/shared/model/job.ts';
import { parseNpy } from '../../src/main/data/npy.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { randomFeeds } from '../../src/main/runtime/random-inputs.ts';
import { buildSteady } from '../support/jobs/build-steady.ts';
import { writeNpz } from '../support/npz.ts';
import { oracle, prepare, randomPlan } from '../support/prune.ts';
import { python } from '../support/python.ts';
import { IDS, twoInputs, twoInputSamples, VOCABULARY, writeTwoInputs } from '../support/two-inputs.ts';

let folder: string;
let cli: string;
let model: string;
let data: string;
beforeAll(async () => {
  cli = await buildSteady('several-inputs');
  folder = mkdtempSync(join(tmpdir(), 'secateur-inputs-'));
  ({ model, data } = await writeTwoInputs(folder, 32, 240));
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function secateur(...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: folder,
    env: { ...process.env, SECATEUR_HOME: join(folder, 'home') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (d) => (out += String(d)));
  child.stderr.on('data', (d) => (err += String(d)));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

async function compress(out: string, ...more: string[]): Promise<CompressReport> {
  const args = ['compress', model, '--budget', '0.8x', '--runs', '20', '--time-limit', '3', '--json'];
  const r = await secateur(...args, '--out', join(folder, out), ...more);
  expect(r.out, r.err).not.toBe('');
  return JSON.parse(r.out) as CompressReport;
}

const interpreter = python();

it('pruned equals masked', async () => {
  const p = await prepare(twoInputs());
  expect(p.analysis.groups.map((g) => g.units)).toEqual([16, 16, 6, 32]);
  for (const seed of [1, 2, 3]) {
    const { error, effect } = await oracle(p, randomPlan(p, seed), randomFeeds(p.model, { batch: 3 }, seed));
    expect(error).toBeLessThan(1e-4);
    expect(effect).toBeGreaterThan(1e-3);
  }
});

describe('compress with data for several inputs', () => {
  it('judges, recovers and ships the model', async () => {
    const doc = await compress('a', '--data', data);
    expect(doc.met).toBe(true);
    expect(doc.notes).toContain('The data leave attention_mask out: it is filled with ones.');
    expect(doc.notes.join()).toMatch(/Recovery: \d+ steps/);
    expect(doc.outputs).toMatchObject([{ name: 'y', reading: 'classes', labels: true }]);
    // The model itself labels the samples.
    expect(doc.baseline.quality).toMatchObject({ top1: 1, agreement: 1, samples: 100 });
    expect(doc.result!.quality!.top1).toBeGreaterThan(0.7);
    expect(doc.groups.some((g) => g.kept < g.units)).toBe(true);

    const verified = JSON.parse((await secateur('verify', doc.bundle!, '--json')).out) as {
      checks: { name: string; ok: boolean | null; detail: string }[];
    };
    expect(verified.checks.filter((c) => c.ok === false && c.name !== 'latency')).toEqual([]);
    const golden = JSON.parse(readFileSync(join(doc.bundle!, 'golden/golden.json'), 'utf8')) as {
      origin: string;
      cases: { inputs: { name: string; file: string }[] }[];
    };
    expect(golden.origin).toBe('data');
    const [first] = golden.cases;
    expect(first!.inputs.map((t) => t.name)).toEqual(['image', 'ids', 'attention_mask']);
    const ids = parseNpy(readFileSync(join(doc.bundle!, first!.inputs[1]!.file)), 'ids');
    expect([...ids.data]).toEqual([...twoInputSamples(240).ids.data.subarray(0, IDS)]);

    const compared = await secateur('compare', model, doc.model!, '--data', data, '--runs', '5', '--json');
    const { pruned } = JSON.parse(compared.out) as CompareReport;
    expect(pruned.quality).toMatchObject({ samples: 240 });
    if (interpreter !== null) expectPython(doc.bundle!);
  }, 180_000);

  it('ranks by the gradient and recovers', async () => {
    const recipe = join(folder, 'gradient.json');
    writeFileSync(
      recipe,
      JSON.stringify({ base: 'fast', criterion: 'taylor', recovery: { enabled: true, seconds: 2 } }),
    );
    const doc = await compress('b', '--data', data, '--recipe', recipe);
    expect(doc.recipe.criterion).toBe('taylor');
    expect(doc.notes.join()).toMatch(/Recovery: \d+ steps/);
    expect(doc.result!.quality!.samples).toBe(100);
  }, 180_000);

  it('gives an input without a batch axis one value for all samples', async () => {
    const stepped = join(folder, 'step.onnx');
    writeFileSync(stepped, serializeModel(twoInputs(32, 'N', { step: true })));
    const step = { dtype: DType.FLOAT, dims: [], data: Float32Array.of(0.5) };
    const arrays = await writeNpz(join(folder, 'step.npz'), { ...twoInputSamples(240), step });
    const args = ['--data', arrays, '--output', 'y=classes', '--runs', '20', '--time-limit', '2', '--json'];
    const r = await secateur('compress', stepped, '--budget', '0.8x', ...args, '--out', join(folder, 'c'));
    expect(r.out, r.err).not.toBe('');
    const doc = JSON.parse(r.out) as CompressReport;
    expect(doc.notes.join()).toMatch(/Recovery: \d+ steps/);
    expect(doc.result!.quality!.samples).toBe(100);
    const verified = await secateur('verify', doc.bundle!, '--json');
    expect(verified.out).toMatch(/"name": *"golden",\s*"ok": *true/);
    if (interpreter !== null) {
      const said = execFileSync(interpreter, ['run.py', arrays], { cwd: doc.bundle!, encoding: 'utf8' });
      expect(said).toMatch(/y: \[240, 4\] float32/);
    }
  }, 180_000);

  it('refuses data that do not fit, before anything is measured', async () => {
    const { image, ids } = twoInputSamples(4);
    const beyond = { ...ids, data: ids.data.map((x, i) => (i === 6 ? BigInt(VOCABULARY) : x)) };
    for (const [arrays, code, text] of [
      [{ image }, 'data-input-missing', 'ids'],
      [
        { image, ids: beyond },
        'data-range',
        `row 1 holds ${VOCABULARY}, and whole numbers from 0 to ${VOCABULARY - 1}`,
      ],
      [{ image, ids: { ...ids, dims: [2, 2 * IDS] } }, 'data-rows', 'image has 4, and ids has 2'],
    ] as const) {
      const bad = await writeNpz(join(folder, 'bad.npz'), arrays);
      const r = await secateur('compress', model, '--budget', '0.8x', '--data', bad, '--json');
      expect(r.code).not.toBe(0);
      expect(`${r.out}${r.err}`).toContain(code);
      expect(`${r.out}${r.err}`).toContain(text);
    }
  }, 60_000);
});

/**
 * run.py replays the golden inputs and computes, for an archive, the same outputs as the runtime
 * here.
 */
function expectPython(bundle: string): void {
  const run = (...args: string[]) => execFileSync(interpreter!, ['run.py', ...args], { cwd: bundle, encoding: 'utf8' });
  expect(run()).toMatch(/case 1 y: \[1, 4\] within tolerance/);
  const said = run(data, join(folder, 'out.npz'));
  expect(said).toContain('attention_mask: as in the first golden case');
  expect(said).toMatch(/y: \[240, 4\] float32/);
  expect(said).toMatch(/classes( \d){20} \.\.\./);
}
