/**
 * Writes bundles: a folder and a zip with the same content. Either both are complete on disk, or
 * neither exists.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { CompressReport, ModelMeasure, Preprocess, WorkloadResult } from '../../../shared/model/job.ts';
import type { Budget, DeviceProfile, LatencyStats, Plan } from '../../../shared/model/types.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { ExecSession, HostTensor } from '../../engine/executor.ts';
import { modelCard } from '../../engine/bundle/card.ts';
import {
  buildComponent,
  buildManifest,
  COMPONENT_DIR,
  EXPERIMENTAL,
  FORMAT,
  json,
  MANIFEST,
  safeName,
  SUFFIX,
  type BundleFacts,
  type BundleMeasure,
  type FileEntry,
} from '../../engine/bundle/layout.ts';
import type { TimedPhase } from '../../engine/latency/phases.ts';
import { RUN_PY } from '../../engine/bundle/run-py.ts';
import type { RuntimeExecutor } from '../../runtime/executor.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';
import { syncTree } from '../../storage/atomic.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { choicesOf } from '../../engine/passes/index.ts';
import { randomOutputsOf } from '../prepare/random-notes.ts';
import { dataInputs } from '../prepare/data-input.ts';
import { makeGolden } from './golden.ts';
import type { ResultSizes } from './result-sizes.ts';

export interface BundleInput {
  /** Base name of the folder and the zip. */
  readonly name: string;
  readonly version?: string;
  /** Folder for both; created when missing. */
  readonly outDir: string;
  /** Path of the pruned model; its external data lies beside it. */
  readonly modelPath: string;
  /** Path of the original model: gives the name, and the licence beside it. */
  readonly originalPath: string;
  /** `result` must be set. `bundle` and `model` are replaced by paths inside the bundle. */
  readonly report: CompressReport;
  readonly plan: Plan;
  /** The yardstick's latency from the measurement of the report's figures. */
  readonly yardstickMs: number;
  /** Half-width of its interval. */
  readonly yardstickNoiseMs?: number;
  readonly budget: Budget;
  readonly device: DeviceProfile;
  readonly preprocess: Preprocess | null;
  readonly classNames: readonly string[] | null;
  /** Golden inputs are its first samples; without it, seeded random numbers. */
  readonly dataset?: Dataset | null;
  /**
   * Other sizes of dynamic axes at which the model was checked; the golden cases end with the last
   * of them.
   */
  readonly sizes?: ResultSizes;
  /** Sizes of dynamic axes besides the batch, for golden inputs without data. */
  readonly dims?: Readonly<Record<string, number>>;
  /** For a component of a package: the sizes at which its latency was measured. */
  readonly phases?: readonly TimedPhase[] | undefined;
  readonly seed: number;
  readonly executor: RuntimeExecutor;
}

export interface WrittenBundle {
  /** Path of the .ortpackage folder. */
  readonly folder: string;
  readonly zip: string;
  /** Path of the model file inside the folder. */
  readonly model: string;
  /** Size of folder and zip together. */
  readonly bytes: number;
}

/**
 * Modification time of all files: 1980-01-01, the first day that a zip can store. The same content
 * then gives the same archive.
 */
const EPOCH = new Date(1980, 0, 1);
const LICENCE_NAMES = /^(licen[cs]e|copying|notice|unlicense)([._-].*)?$/i;
const GOLDEN_CASES = 2;
/** Number of samples or seeds tried for golden cases of a detector. */
const GOLDEN_TRIES = 24;

async function sha256(path: string): Promise<FileEntry> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { sha256: hash.digest('hex'), size: (await stat(path)).size };
}

/** Paths of all files below a folder, with forward slashes, in code-unit order. @internal */
export async function filesBelow(folder: string): Promise<string[]> {
  const out: string[] = [];
  const walk = async (at: string): Promise<void> => {
    for (const name of await readdir(at)) {
      const path = join(at, name);
      if ((await lstat(path)).isDirectory()) await walk(path);
      else out.push(relative(folder, path).split(sep).join('/'));
    }
  };
  await walk(folder);
  return out.sort();
}

/** Writes the archive: sorted, without times, all files below one folder. */
async function writeZip(folder: string, prefix: string, path: string): Promise<void> {
  const zip = new ZipFile();
  for (const name of await filesBelow(folder))
    zip.addFile(join(folder, name), `${prefix}/${name}`, {
      mtime: EPOCH,
      mode: 0o100644,
      forceDosTimestamp: true,
      compress: !name.endsWith('.onnx') && !name.endsWith('.data'), // weights do not compress
    });
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(path));
}

const statsOf = (m: ModelMeasure): LatencyStats => {
  const { macs: _m, params: _p, bytes: _b, quality: _q, ...latency } = m;
  return latency;
};
const measureOf = (m: ModelMeasure): BundleMeasure => ({
  latency: statsOf(m),
  macs: m.macs,
  params: m.params,
  bytes: m.bytes,
  quality: m.quality,
});

/**
 * Copies licence texts beside the original, or the licence in its metadata; otherwise writes a file
 * that says that the licence is unknown.
 */
async function writeLicences(input: BundleInput, metadata: ReadonlyMap<string, string>, to: string): Promise<string> {
  await mkdir(to, { recursive: true });
  const from = dirname(input.originalPath);
  const found = (await readdir(from, { withFileTypes: true }))
    .filter((e) => e.isFile() && LICENCE_NAMES.test(e.name))
    .map((e) => e.name)
    .sort();
  for (const name of found) {
    const bytes = (await readFile(join(from, name))).subarray(0, 2 ** 20);
    await writeFile(join(to, `MODEL-${safeName(name)}${/\.[a-z]+$/i.test(name) ? '' : '.txt'}`), bytes);
  }
  const stated = [...metadata].filter(([k]) => /licen[cs]e/i.test(k)).map(([k, v]) => `${k}: ${v}`);
  if (stated.length) await writeFile(join(to, 'MODEL-metadata.txt'), `${stated.join('\n')}\n`);
  const unknown = !found.length && !stated.length;
  if (unknown)
    await writeFile(
      join(to, 'MODEL-unknown.txt'),
      `The licence of ${basename(input.originalPath)} is unknown: there is none beside the file and none in its metadata.\n` +
        'Ask the provider of the model before you distribute it. A pruned model is a derived work of its original.\n',
    );
  const line = unknown
    ? 'Unknown: ask the provider of the original model before you distribute this one.'
    : 'The licence of the original model; see `LICENSES/`.';
  await writeFile(
    join(to, 'README.md'),
    `# Contents and licences\n\n- The model: ${line}\n` +
      '- `run.py`: free for any purpose, as its header says.\n' +
      '- No software is shipped in this bundle. ONNX Runtime, which runs it, is under the MIT licence.\n',
  );
  return line;
}

/** Golden inputs: samples of the data if available, else seeded numbers. */
async function goldenFeeds(
  input: BundleInput,
  count: number,
): Promise<{ cases: Record<string, HostTensor>[]; origin: 'data' | 'seeded' }> {
  const model = openModelFile(input.modelPath),
    numbers = Array.from({ length: count }, (_, k) => k);
  const batch = input.budget.batch;
  if (input.dataset && input.dataset.length > 0) {
    const { dataset } = input;
    const rows = dataInputs(model).fixedBatch ?? 1;
    const indices = numbers.map((k) => Array.from({ length: rows }, (_, i) => (k * rows + i) % dataset.length));
    return { cases: await Promise.all(indices.map(async (c) => ({ ...(await dataset.batch(c)) }))), origin: 'data' };
  }
  return {
    cases: numbers.map((k) =>
      randomFeeds(model, { batch, ...(input.dims && { dims: input.dims }) }, input.seed + k * 1000),
    ),
    origin: 'seeded',
  };
}

/**
 * The first cases in which a detector finds boxes, when it does not run without. @throws
 * 'golden-without-boxes' @internal
 */
export async function runnable(
  session: Pick<ExecSession, 'run'>,
  cases: readonly Record<string, HostTensor>[],
): Promise<Record<string, HostTensor>[]> {
  const out: Record<string, HostTensor>[] = [];
  let reason = '';
  for (const feeds of cases) {
    if (out.length === GOLDEN_CASES) break;
    try {
      await session.run(feeds);
      out.push(feeds);
    } catch (e) {
      if (!(e instanceof SecateurError && e.code === 'runtime-rejected')) throw e;
      reason = String(e.detail.reason ?? e.message);
    }
  }
  if (out.length === 0 && cases.length > 0)
    throw new SecateurError('golden-without-boxes', { tried: cases.length, reason });
  return out;
}

function withoutPath({ package: _, ...rest }: WorkloadResult): Omit<WorkloadResult, 'package'> {
  return rest;
}

/**
 * Writes `<outDir>/<name>.ortpackage` and `<outDir>/<name>.ortpackage.zip`, replacing older ones of
 * that name.
 * @throws 'bundle-invalid' when the model's outputs are not finite; errors of opening and running
 * the model
 */
export async function writeBundle(input: BundleInput): Promise<WrittenBundle> {
  const { report, budget } = input;
  // Bundles are shared, so the machine's name is left out.
  const device = input.device.kind === 'local' ? { ...input.device, name: 'the machine it was made on' } : input.device;
  if (!report.result) throw new SecateurError('internal', { reason: 'a bundle needs a result' });
  const name = safeName(report.accepted === false ? `${input.name}${EXPERIMENTAL}` : input.name),
    folder = join(input.outDir, name + SUFFIX),
    zip = `${folder}.zip`,
    temp = join(input.outDir, `.${name}.${randomBytes(6).toString('hex')}.tmp`);
  const root = join(temp, 'bundle');
  const put = async (path: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  };
  try {
    const component = buildComponent(budget.provider, budget.threads, budget.batch),
      variant = Object.values(component.variants)[0]!,
      modelDir = `${COMPONENT_DIR}/${variant.variant_directory}`,
      modelFile = `${modelDir}/${variant.executor_info.ort.model_file}`;
    await put(`${COMPONENT_DIR}/component.json`, json(component));
    const dataFiles = new Set<string>(),
      model = openModelFile(input.modelPath, (location) => dataFiles.add(location));
    await mkdir(join(root, modelDir), { recursive: true });
    await copyFile(input.modelPath, join(root, modelFile));
    for (const location of dataFiles) {
      await mkdir(dirname(join(root, modelDir, location)), { recursive: true });
      await copyFile(join(dirname(input.modelPath), location), join(root, modelDir, location));
    }

    // A detector that needs boxes to run does not run on every sample.
    const chooses = choicesOf(model).length > 0;
    const { cases: drawn, origin } = await goldenFeeds(input, chooses ? GOLDEN_TRIES : GOLDEN_CASES);
    const session = await input.executor.openBytes(join(root, modelFile), {
      provider: budget.provider,
      threads: budget.threads,
    });
    try {
      const cases = chooses ? await runnable(session, drawn) : drawn;
      const golden = await makeGolden(session, cases, origin, input.seed, {
        at: input.sizes,
        random: await randomOutputsOf(model),
      });
      for (const [path, bytes] of golden.files) await put(path, bytes);
      await put('golden/golden.json', json(golden.spec));
    } finally {
      await session.release();
    }

    const preprocess = input.preprocess ? 'secateur/preprocess.json' : null,
      labels = input.classNames ? 'secateur/labels.txt' : null;
    await put('secateur/recipe.json', json(report.recipe));
    await put('secateur/plan.json', json(input.plan));
    // Bundles are shared, so the path of the package is left out.
    const workload = report.workload && withoutPath(report.workload);
    const told = { ...report, ...(workload && { workload }), bundle: '.', model: modelFile };
    await put('secateur/report.json', json(told));
    if (preprocess) await put(preprocess, json(input.preprocess));
    if (labels) await put(labels, `${input.classNames!.map((n) => n.replace(/[\r\n]+/g, ' ')).join('\n')}\n`);
    await put('run.py', RUN_PY);
    const licence = await writeLicences(input, model.metadata, join(root, 'LICENSES'));
    const originalName = basename(input.originalPath);
    await put(
      'README.md',
      modelCard({
        name,
        originalName,
        report,
        budget,
        device,
        preprocess: input.preprocess,
        classes: input.classNames?.length ?? null,
        licence,
      }),
    );

    const files: Record<string, FileEntry> = {};
    for (const path of await filesBelow(root)) files[path] = await sha256(join(root, path));
    const facts: BundleFacts = {
      format: FORMAT,
      created: report.provenance.date,
      files,
      device,
      budget,
      budgetMs: report.budgetMs,
      met: report.met,
      ...(report.latency && { latency: report.latency }),
      ...(workload && { workload }),
      ...(input.phases && { phases: input.phases }),
      accepted: report.accepted !== false,
      experimental: report.accepted === false,
      reasons: report.reasons ?? [],
      warnings: report.warnings ?? [],
      outputs: report.outputs ?? [],
      measurements: {
        original: measureOf(report.baseline),
        pruned: measureOf(report.result),
        yardstickMs: input.yardstickMs,
        ...(input.yardstickNoiseMs !== undefined && { yardstickNoiseMs: input.yardstickNoiseMs }),
        provenance: report.provenance,
      },
      preprocess: input.preprocess,
      parts: {
        recipe: 'secateur/recipe.json',
        plan: 'secateur/plan.json',
        report: 'secateur/report.json',
        golden: 'golden/golden.json',
        labels,
        preprocess,
        card: 'README.md',
        licences: 'LICENSES/README.md',
      },
    };
    const description = `${report.accepted === false ? 'Experimental, not accepted: ' : ''}${originalName}, pruned to ${report.result.p50Ms.toPrecision(4)} ms (p50) on ${device.processor}`;
    await put(MANIFEST, json(buildManifest(name, input.version ?? '1.0.0', description, facts)));

    const archive = join(temp, 'bundle.zip');
    await writeZip(root, name + SUFFIX, archive);
    await syncTree(temp);
    const bytes = (await stat(archive)).size + Object.values(files).reduce((n, f) => n + f.size, 0);
    await rm(folder, { recursive: true, force: true });
    await rename(root, folder);
    await rename(archive, zip);
    return { folder, zip, bytes, model: join(folder, modelFile) };
  } catch (e) {
    throw SecateurError.ofFullDisk(e, input.outDir) ?? e;
  } finally {
    await rm(temp, { recursive: true, force: true });
  }
}
