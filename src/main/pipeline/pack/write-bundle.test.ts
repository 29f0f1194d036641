import { execFileSync } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleInput, smallModel } from '../../../../test/support/bundle.ts';
import { python } from '../../../../test/support/python.ts';
import { rawZip } from '../../../../test/support/raw-zip.ts';
import { openDataset } from '../../data/dataset.ts';
import { renderVerify } from '../../cli/render-verify.ts';
import { localDevice } from '../../runtime/device.ts';
import { createExecutor } from '../../runtime/executor.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { filesBelow, writeBundle, type WrittenBundle } from './write-bundle.ts';
import { verifyBundle, type VerifyOptions, type VerifyReport } from '../verify/verify.ts';
import { yardstick } from '../measure/yardstick.ts';

const executor = createExecutor();
let dir = '',
  made: WrittenBundle;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secateur-bundle-'));
  const input = await bundleInput(dir);
  await mkdir(input.outDir, { recursive: true });
  made = await writeBundle(input);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const failed = (r: VerifyReport): { name: string; detail: string }[] =>
  r.checks.filter((c) => c.ok === false).map(({ name, detail }) => ({ name, detail }));
/** Figures in place of measurements: these tests check claims, not time. */
const seeing =
  (p50Ms: number, yardstickMs = 1): NonNullable<VerifyOptions['see']> =>
  ({ latency }) => {
    const { processor, runtime } = localDevice();
    const stats = {
      p50Ms,
      p90Ms: p50Ms,
      p95Ms: p50Ms,
      p99Ms: p50Ms,
      meanMs: p50Ms,
      minMs: p50Ms,
      stdMs: 0,
      noiseMs: 0,
      runs: 50,
    };
    const value = p50Ms / yardstickMs;
    const ratio = { value, low: 0.98 * value, high: 1.02 * value };
    return Promise.resolve({
      stats: { ...stats, ...latency, p50Ms },
      ratio,
      processor,
      runtime,
      yardstickMs,
      yardstickNoiseMs: 0,
    });
  };
let copies = 0;
/** A copy of the good bundle to corrupt. */
async function copy(): Promise<string> {
  const to = join(dir, `copy${copies++}`);
  await cp(made.folder, to, { recursive: true });
  return to;
}
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests spoil members at any depth
type Json = Record<string, any>;
const edit = async (path: string, change: (j: Json) => void): Promise<void> => {
  const j = JSON.parse(await readFile(path, 'utf8')) as Json;
  change(j);
  await writeFile(path, JSON.stringify(j));
};
const facts = (j: Json): Json => (j.additional_metadata as Json).secateur as Json;
/** Rewrites the manifest's hash of a file, as someone would who wants a change to pass. */
async function rehash(folder: string, name: string): Promise<void> {
  const { createHash } = await import('node:crypto');
  const bytes = await readFile(join(folder, name));
  await edit(join(folder, 'manifest.json'), (j) => {
    facts(j).files[name] = { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length };
  });
}

describe('writing', () => {
  it('makes a folder and a zip that pass every check', async () => {
    for (const path of [made.folder, made.zip]) {
      const r = await verifyBundle(path, executor, { see: seeing(1000) });
      expect(failed(r)).toEqual([]);
      expect(r.checks.at(-1)).toMatchObject({ name: 'latency', ok: true });
      expect(r.ok).toBe(true);
      expect(r.checks.map((c) => c.name)).toEqual(
        [
          path === made.zip ? ['archive'] : [],
          'manifest',
          'files',
          'hashes',
          'component',
          'claims',
          'model',
          'golden',
          'sizes',
          'latency',
        ].flat(),
      );
      expect(r.latency!.p50Ms).toBe(1000);
      expect(r.digest).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(await readdir(dirname(made.folder))).toEqual([
      'small-classifier.ortpackage',
      'small-classifier.ortpackage.zip',
    ]);
  });

  it('keeps to the keys that ONNX Runtime accepts, and says the licence', async () => {
    const j = JSON.parse(await readFile(join(made.folder, 'manifest.json'), 'utf8')) as Json;
    const allowed = [
      'schema_version',
      'package_name',
      'package_version',
      'description',
      'layout',
      'components',
      'additional_metadata',
    ];
    expect(Object.keys(j).filter((k) => !allowed.includes(k))).toEqual([]);
    expect(j).toMatchObject({ schema_version: '1.0', components: { model: 'models/model' } });
    const files = await filesBelow(made.folder);
    expect(files).toContain('models/model/cpu/model.onnx');
    expect(files).toContain('LICENSES/MODEL-LICENSE.txt');
    const card = await readFile(join(made.folder, 'README.md'), 'utf8');
    expect(card).toMatch(/\| Top-1 accuracy \| 80\.00 % \| 80\.00 % \|/);
    expect(card).toMatch(/no \\\| rule/);
  });

  it('gives the same archive for the same content, and replaces an older one', async () => {
    const before = await readFile(made.zip);
    const input = await bundleInput(dir);
    const again = await writeBundle({
      ...input,
      report: { ...input.report, provenance: await provenanceOf(made.folder) },
    });
    expect(Buffer.compare(await readFile(again.zip), before)).toBe(0);
  });

  it('carries external data and names an unknown licence', async () => {
    const sub = join(dir, 'external');
    const input = await bundleInput(sub, true);
    await rm(join(sub, 'in/LICENSE'));
    await mkdir(input.outDir, { recursive: true });
    const b = await writeBundle(input);
    expect((await filesBelow(b.folder)).filter((f) => f.startsWith('models/model/cpu/'))).toHaveLength(2);
    expect(await readFile(join(b.folder, 'LICENSES/MODEL-unknown.txt'), 'utf8')).toMatch(/Ask the provider/);
    expect(failed(await verifyBundle(b.zip, executor, { runs: 0 }))).toEqual([]);
  });
});

async function provenanceOf(folder: string) {
  const j = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as Json;
  return facts(j).measurements.provenance;
}

describe('verifying', () => {
  it('names each file that was changed, lost or added', async () => {
    for (const name of await filesBelow(made.folder)) {
      if (name === 'manifest.json') continue;
      const changed = await copy();
      const bytes = await readFile(join(changed, name));
      bytes[bytes.length >> 1]! ^= 1;
      await writeFile(join(changed, name), bytes);
      expect(failed(await verifyBundle(changed, executor, { runs: 0 }))).toEqual([
        { name: 'hashes', detail: `${name} is not the file that the manifest describes (sha256 differs)` },
      ]);
      await rm(join(changed, name));
      expect(failed(await verifyBundle(changed, executor, { runs: 0 }))).toEqual([
        { name: 'files', detail: `${name} is missing` },
      ]);
    }
    const longer = await copy();
    await appendFile(join(longer, 'run.py'), '#');
    expect(failed(await verifyBundle(longer, executor))[0]!.detail).toMatch(
      /^run\.py has \d+ bytes, the manifest says \d+$/,
    );
    const more = await copy();
    await writeFile(join(more, 'models/model/cpu/extra.bin'), 'x');
    expect(failed(await verifyBundle(more, executor))[0]!.detail).toMatch(
      /extra\.bin is in the bundle but not in the manifest/,
    );
  });

  const manifestLies: [string, (j: Json) => void, string, RegExp][] = [
    ['an unknown key', (j) => (j.configs_dir = 'x'), 'manifest', /configs_dir/],
    ['another schema', (j) => (j.schema_version = '2.0'), 'manifest', /schema version 1/],
    ['a hash that is none', (j) => (facts(j).files['run.py'].sha256 = 'abc'), 'manifest', /run\.py/],
    ['a file outside', (j) => (facts(j).files['../run.py'] = facts(j).files['run.py']), 'files', /leaves the folder/],
    ['a component outside', (j) => (j.components.model = '../model'), 'component', /leaves the folder/],
    ['a smaller model', (j) => (facts(j).measurements.pruned.bytes -= 1), 'claims', /claims a model of/],
    ['a faster model', (j) => (facts(j).measurements.pruned.latency.p50Ms = 1), 'claims', /different results/],
    ['a budget that was not met', (j) => (facts(j).budget.percentile = 95), 'claims', /is met, with 1200 ms/],
    [
      'a verdict of its own',
      (j) => (facts(j).latency = { verdict: 'met', low: 0.1, high: 0.2 }),
      'claims',
      /different verdicts/,
    ],
    ['a part that is not there', (j) => (facts(j).parts.labels = 'secateur/none.txt'), 'component', /none\.txt/],
  ];
  it.each(manifestLies)('finds a manifest that claims %s', async (_, change, name, message) => {
    const folder = await copy();
    await edit(join(folder, 'manifest.json'), change);
    const found = failed(await verifyBundle(folder, executor, { runs: 0 }));
    expect(found.map((f) => f.name)).toEqual([name]);
    expect(found[0]!.detail).toMatch(message);
  });

  it('finds another model under the right hash by its golden outputs', async () => {
    const folder = await copy(),
      name = 'models/model/cpu/model.onnx';
    saveModelFile(smallModel(2), join(folder, name));
    await rehash(folder, name);
    const found = failed(await verifyBundle(folder, executor, { runs: 0 }));
    expect(found.map((f) => f.name)).toEqual(['golden']);
    expect(found[0]!.detail).toMatch(/output gemm differs at element/);
    await edit(join(folder, 'golden/golden.json'), (j) => (j.atol = { gemm: 1e9 }));
    await rehash(folder, 'golden/golden.json');
    expect(failed(await verifyBundle(folder, executor))[0]!.detail).toMatch(/too wide to prove anything/);
  });

  it('finds a model that is none, and a link', async () => {
    const broken = await copy(),
      name = 'models/model/cpu/model.onnx';
    await writeFile(join(broken, name), 'no model');
    await rehash(broken, name);
    expect(failed(await verifyBundle(broken, executor)).map((f) => f.name)).toEqual(['model']);
    const linked = await copy();
    await rm(join(linked, 'run.py'));
    await symlink('/etc/hostname', join(linked, 'run.py'));
    expect(failed(await verifyBundle(linked, executor))).toEqual([
      { name: 'files', detail: 'run.py is a link or a special file' },
    ]);
  });

  it('measures the yardstick on one picture, whatever the batch of the model beside it', () => {
    const { feeds } = yardstick();
    expect(Object.values(feeds!).map((t) => t.dims[0])).toEqual([1]);
  });

  it('measures the model of the bundle, and fails or says that nothing can be told by what it took', async () => {
    const measured = await verifyBundle(made.folder, executor, { runs: 6 });
    expect(measured.latency!.p50Ms).toBeGreaterThan(0);
    // The claim of a whole second is not compared with this machine's yardstick here.
    expect(measured.checks.at(-1)!.name).toBe('latency');
    const slow = await verifyBundle(made.folder, executor, { see: seeing(1500) });
    expect(failed(slow).map((f) => f.name)).toEqual(['latency']);
    expect(slow.ok).toBe(false);
    const elsewhere = await verifyBundle(made.folder, executor, { see: seeing(9000, 9) });
    expect(elsewhere.ok).toBe(true);
    expect(elsewhere.checks.at(-1)).toMatchObject({ name: 'latency', ok: null });
    expect(elsewhere.checks.at(-1)!.detail).toMatch(/^not comparable/);
    expect(renderVerify(elsewhere)).toMatch(
      /----  latency: not comparable.*No check failed\. Not comparable: latency/s,
    );
  });

  it('refuses hostile archives and writes nothing outside', async () => {
    const path = join(dir, 'hostile.zip'),
      data = Buffer.from('{}');
    const evil = `../secateur-evil-${process.pid}`;
    await writeFile(
      path,
      rawZip([
        { name: 'manifest.json', data },
        { name: evil, data },
      ]),
    );
    const r = await verifyBundle(path, executor);
    expect(failed(r).map((f) => f.name)).toEqual(['archive']);
    expect(failed(r)[0]!.detail).toContain(evil);
    expect((await readdir(tmpdir())).filter((n) => n.includes('secateur-evil'))).toEqual([]);
    await writeFile(
      path,
      rawZip([
        { name: 'a', data },
        { name: 'a/b', data },
        { name: 'manifest.json', data },
      ]),
    );
    expect((await verifyBundle(path, executor)).ok).toBe(false);
    await writeFile(path, rawZip([{ name: 'x/manifest.json', data }]));
    expect(failed(await verifyBundle(path, executor))[0]!.name).toBe('manifest');
    await writeFile(path, 'not a zip');
    expect(failed(await verifyBundle(path, executor))[0]!.name).toBe('archive');
    await expect(verifyBundle(join(dir, 'nothing'), executor)).rejects.toThrow(/There is no file/);
  });
});

const interpreter = python();
it.skipIf(interpreter === null)(
  'runs in Python (needs onnxruntime there; SECATEUR_INTEROP=1 installs it)',
  { timeout: 300_000 },
  async () => {
    const run = (...args: string[]): string =>
      execFileSync(interpreter!, ['run.py', ...args], { cwd: made.folder, encoding: 'utf8' });
    expect(run()).toMatch(/case 1 gemm: \[1, 10\] within tolerance/);
    // Newer versions of ONNX Runtime include a strict reader of model packages.
    const script =
      'import sys, onnxruntime as o\n' +
      "if not hasattr(o, 'ModelPackageContext'): sys.exit()\n" +
      'c = o.ModelPackageContext(sys.argv[1])\n' +
      "assert c.get_component_names() == ['model'], c.get_component_names()\n" +
      "assert c.get_variant_names('model') == ['cpu']\n" +
      "assert c.get_variant_ep_name('model', 'cpu') == 'CPUExecutionProvider'\n";
    execFileSync(interpreter!, ['-c', script, made.folder]);
    const again = await verifyBundle(made.folder, executor, { runs: 0 });
    expect(failed(again)).toEqual([]); // running it must leave no files behind

    // The example preprocesses as Secateur does: same image, same scores.
    const image = join(dir, 'gradient.png'),
      pixels = Uint8Array.from({ length: 8 * 12 * 3 }, (_, i) => (i * 7) % 256);
    await sharp(pixels, { raw: { width: 12, height: 8, channels: 3 } })
      .png()
      .toFile(image);
    const dataset = await openDataset({
      data: image,
      inputs: [{ name: 'x', shape: [0, 3, 8, 8] }],
      preprocess: (await bundleInput(dir)).preprocess,
    });
    const session = await executor.openBytes(join(made.folder, 'models/model/cpu/model.onnx'));
    const scores = (await session.run(await dataset.batch([0])))['gemm']!.data as Float32Array;
    await session.release();
    const best = scores.indexOf(Math.max(...scores));
    const [score, label] = run(image)
      .split('\n')[0]!
      .trim()
      .split(/\s{2,}/);
    expect(label).toBe(`class ${best}`);
    expect(Number(score)).toBeCloseTo(scores[best]!, 3);
  },
);
