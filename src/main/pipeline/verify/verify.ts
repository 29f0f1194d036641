/**
 * Checks a bundle that may be damaged or malicious: layout, hashes, sizes, names, the model, its
 * golden outputs, its latency. No part of the bundle is trusted before it was checked, and nothing
 * is written outside a temporary folder.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { z } from 'zod';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { LatencyStats } from '../../../shared/model/types.ts';
import { badName, openZip, ZipProblem, type ZipLimits } from '../../data/zip.ts';
import { MANIFEST } from '../../engine/bundle/layout.ts';
import type { HostTensor } from '../../engine/executor.ts';
import { verdictOf } from '../../engine/latency/verdict.ts';
import { localDevice } from '../../runtime/device.ts';
import type { RuntimeExecutor } from '../../runtime/executor.ts';
import { writingTo } from '../../storage/disk-full.ts';
import { openModelFile } from '../../storage/model-files.ts';
import {
  componentSchema,
  goldenSchema,
  MANIFEST_LIMIT,
  manifestSchema,
  problemOf,
  reportSchema,
  type ManifestFile,
} from '../pack/bundle-schema.ts';
import { randomOutputsOf } from '../prepare/random-notes.ts';
import { checkSizes } from './bundle-sizes.ts';
import { replayGolden } from '../pack/golden.ts';
import { requireRunnable } from '../prepare/runnable.ts';
import { claimOf, judgeLatency, seeLatency } from './verify-latency.ts';

export interface Check {
  readonly name: string;
  /** Null: neither passed nor failed, because the finding is not comparable with the claim. */
  readonly ok: boolean | null;
  /** The finding, in one line. */
  readonly detail: string;
}

export interface VerifyReport {
  /** True when no check failed. */
  readonly ok: boolean;
  readonly bundle: string;
  /**
   * sha256 of manifest.json, which contains the hashes of all other files: compare it with the
   * maker's.
   */
  readonly digest: string | null;
  readonly checks: readonly Check[];
  /** Latency measured here, if it was measured. */
  readonly latency: LatencyStats | null;
}

export interface VerifyOptions {
  /** Bounds for zip archives. */
  readonly limits?: Partial<ZipLimits>;
  /** Number of measured runs; 0 skips the latency check. Default 50. */
  readonly runs?: number;
  /** Measures the latency; default: on this machine. */
  readonly see?: typeof seeLatency;
  /** Whether a session opens on a provider here; default: whether the runtime has its library. */
  readonly opens?: (provider: string) => Promise<boolean>;
  /** Sizes of dynamic axes for the measurement; default: those of the golden inputs. */
  readonly dims?: Readonly<Record<string, number>>;
  readonly onCheck?: (check: Check) => void;
}

/** A failed check after which later checks make no sense. */
class Failed extends Error {
  readonly check: string;
  constructor(check: string, reason: string) {
    super(reason);
    this.check = check;
  }
}

/**
 * Runs all checks in order. A failed check that later ones depend on ends the list.
 * @throws 'file-not-found' when nothing exists at the path; all other faults are in the report
 */
export async function verifyBundle(
  path: string,
  executor: RuntimeExecutor,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const info = await lstat(path).catch(() => null);
  if (!info) throw new SecateurError('file-not-found', { path });
  const checks: Check[] = [];
  const add: Add = (name, ok, detail) => {
    const check = { name, ok, detail };
    checks.push(check);
    options.onCheck?.(check);
  };
  let temp: string | null = null,
    digest: string | null = null,
    latency: LatencyStats | null = null;
  try {
    let root = path;
    if (!info.isDirectory()) {
      temp = await mkdtemp(join(tmpdir(), 'secateur-verify-'));
      const into = temp;
      root = await writingTo(tmpdir(), () => unpack(path, into, options.limits));
      add('archive', true, 'every entry stays in the folder, and sizes and checksums match');
    }
    const found = await listFiles(root);
    const text = await readSmall(root, MANIFEST, found, 'manifest');
    digest = createHash('sha256').update(text).digest('hex');
    const manifest = parse(text, manifestSchema, 'manifest', MANIFEST),
      facts = manifest.additional_metadata.secateur;
    add('manifest', true, `${manifest.package_name} ${manifest.package_version}, schema ${manifest.schema_version}`);
    compareLists(found, facts.files);
    add('files', true, `${found.size} files present, no extra files`);
    let bytes = 0;
    for (const [name, entry] of Object.entries(facts.files)) {
      if (found.get(name) !== entry.size)
        throw new Failed('hashes', `${name} has ${found.get(name)} bytes, the manifest says ${entry.size}`);
      if ((await hashOf(join(root, name))) !== entry.sha256)
        throw new Failed('hashes', `${name} is not the file that the manifest describes (sha256 differs)`);
      bytes += entry.size;
    }
    add('hashes', true, `sha256 and size of ${Object.keys(facts.files).length} files (${bytes} bytes) match`);
    for (const part of Object.values(facts.parts))
      if (part !== null && part !== undefined && !found.has(String(part)))
        throw new Failed('component', `the manifest names ${String(part)}, which is not in the bundle`);

    const model = await findModel(root, manifest, found);
    add('component', true, model.file);
    const own = model.dataFiles.reduce((n, f) => n + found.get(f)!, found.get(model.file)!),
      lie = await falseClaim(root, manifest, found, own);
    add('claims', lie === null, lie ?? `size, latency and budget agree with each other and with the report`);
    if (facts.workload) add('use', null, useText(facts.workload));
    // The model file passed its checks, so it may be opened now.
    const provider = await providerHere(facts.budget.provider, options.opens);
    const feeds = await runChecks(join(root, model.file), root, { manifest, provider }, found, executor, add);
    const { runs = 50, see = seeLatency } = options;
    if (feeds && runs > 0) {
      const claimed = { ...facts.measurements.pruned.latency, provider };
      const seen = await see({
        dims: options.dims,
        phases: facts.phases,
        model: join(root, model.file),
        feeds,
        latency: claimed,
        runs,
      });
      const { ok, detail } = judgeLatency(claimOf(manifest), seen);
      latency = seen.stats;
      add('latency', ok, detail);
    }
  } catch (e) {
    if (e instanceof Failed) add(e.check, false, e.message);
    else if (e instanceof ZipProblem) add('archive', false, e.message);
    else if (e instanceof SecateurError && e.code !== 'internal' && e.code !== 'disk-full')
      add('model', false, e.message);
    else throw e;
  } finally {
    if (temp) await rm(temp, { recursive: true, force: true });
  }
  return { ok: checks.every((c) => c.ok !== false), bundle: path, digest, checks, latency };
}

/**
 * Unpacks into a temporary folder and returns the folder of the manifest. openZip has checked the
 * names.
 */
async function unpack(path: string, to: string, limits: Partial<ZipLimits> | undefined): Promise<string> {
  const zip = await openZip(path, limits);
  try {
    for (const name of zip.entries.keys()) {
      const target = join(to, ...name.split('/'));
      await mkdir(dirname(target), { recursive: true });
      const file = await open(target, 'wx').catch((e: unknown) => {
        throw SecateurError.ofFullDisk(e, to) ?? new ZipProblem(name, 'it collides with another entry');
      });
      try {
        await zip.stream(name, async (chunk) => void (await file.writeFile(chunk)));
      } finally {
        await file.close();
      }
    }
    const names = [...zip.entries.keys()],
      top = names[0]?.split('/')[0];
    const nested = !zip.entries.has(MANIFEST) && top !== undefined && names.every((n) => n.startsWith(`${top}/`));
    return nested ? join(to, top) : to;
  } finally {
    zip.close();
  }
}

/** Sizes by path; links and special files are refused. */
async function listFiles(root: string): Promise<Map<string, number>> {
  const out = new Map<string, number>();
  const walk = async (prefix: string): Promise<void> => {
    for (const name of (await readdir(join(root, prefix))).sort()) {
      const path = prefix + name,
        info = await lstat(join(root, path));
      if (info.isDirectory()) await walk(`${path}/`);
      else if (!info.isFile()) throw new Failed('files', `${path} is a link or a special file`);
      else out.set(path, info.size);
      if (out.size > 10_000) throw new Failed('files', 'there are more than 10,000 files');
    }
  };
  await walk('');
  return out;
}

async function readSmall(
  root: string,
  name: string,
  found: ReadonlyMap<string, number>,
  check: string,
): Promise<Buffer> {
  const size = found.get(name);
  if (size === undefined) throw new Failed(check, `there is no ${name}`);
  if (size > MANIFEST_LIMIT) throw new Failed(check, `${name} has ${size} bytes`);
  return readFile(join(root, name));
}

function parse<T>(bytes: Buffer, schema: z.ZodType<T>, check: string, name: string): T {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (e) {
    throw new Failed(check, `${name} is not JSON (${(e as Error).message})`);
  }
  const r = schema.safeParse(value);
  if (!r.success) throw new Failed(check, `${name}: ${problemOf(r.error)}`);
  return r.data;
}

function compareLists(found: ReadonlyMap<string, number>, listed: Readonly<Record<string, unknown>>): void {
  for (const name of Object.keys(listed)) {
    const bad = badName(name);
    if (bad) throw new Failed('files', `the manifest lists ${JSON.stringify(name)}: ${bad}`);
    if (!found.has(name)) throw new Failed('files', `${name} is missing`);
  }
  for (const name of found.keys())
    if (name !== MANIFEST && !Object.hasOwn(listed, name))
      throw new Failed('files', `${name} is in the bundle but not in the manifest`);
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** The model file of the component; its external data must be listed files too. */
async function findModel(
  root: string,
  manifest: ManifestFile,
  found: ReadonlyMap<string, number>,
): Promise<{ file: string; dataFiles: string[] }> {
  const check = 'component',
    [componentName, where] = Object.entries(manifest.components)[0]!;
  const inside = (path: string): string => {
    const bad = badName(path);
    if (bad) throw new Failed(check, `component ${componentName} names ${JSON.stringify(path)}: ${bad}`);
    return path;
  };
  const file = found.has(inside(where)) ? where : `${where}/component.json`,
    folder = file.slice(0, file.lastIndexOf('/') + 1);
  const component = parse(await readSmall(root, file, found, check), componentSchema, check, file);
  const [name, variant] = Object.entries(component.variants)[0]!;
  const modelFile = inside(`${folder}${variant.variant_directory ?? name}/${variant.executor_info.ort.model_file}`);
  if (!found.has(modelFile)) throw new Failed(check, `the model ${modelFile} is not in the bundle`);
  const modelFolder = modelFile.slice(0, modelFile.lastIndexOf('/') + 1),
    locations = new Set<string>();
  requireRunnable(openModelFile(join(root, modelFile), (l) => locations.add(l))); // throws for data outside the folder
  const dataFiles = [...locations].map((l) => modelFolder + l.replaceAll('\\', '/').replace(/^(\.\/)+/, ''));
  for (const f of dataFiles)
    if (!found.has(f)) throw new Failed(check, `the model reads ${f}, which is not in the bundle`);
  return { file: modelFile, dataFiles };
}

/** A claim of the manifest that contradicts its own files, or null. */
async function falseClaim(
  root: string,
  manifest: ManifestFile,
  found: ReadonlyMap<string, number>,
  modelBytes: number,
): Promise<string | null> {
  const facts = manifest.additional_metadata.secateur,
    claim = facts.measurements.pruned;
  if (claim.bytes !== modelBytes) return `the manifest claims a model of ${claim.bytes} bytes, it has ${modelBytes}`;
  const report = parse(
    await readSmall(root, facts.parts.report, found, 'claims'),
    reportSchema,
    'claims',
    facts.parts.report,
  );
  if (report.result.p50Ms !== claim.latency.p50Ms || report.met !== facts.met || report.budgetMs !== facts.budgetMs)
    return 'the manifest and the report give different results';
  if (JSON.stringify(report.latency) !== JSON.stringify(facts.latency))
    return 'the manifest and the report give different verdicts on the latency';
  if (JSON.stringify(report.workload) !== JSON.stringify(facts.workload))
    return 'the manifest and the report give different results of the use of the package';
  const { latency, workload } = facts;
  for (const v of [latency, workload?.latency])
    if (v && verdictOf(v.low, v.high ?? Infinity) !== v.verdict)
      return `the manifest says "${v.verdict}" of a latency between ${v.low} and ${String(v.high)} of the budget`;
  // For a component, the use of its package decides.
  const decides = workload?.latency ?? latency;
  if (decides && (decides.verdict === 'met') !== facts.met)
    return `the manifest claims that the budget is ${facts.met ? '' : 'not '}met, with the verdict "${decides.verdict}"`;
  const reached = workload?.afterMs ?? claim.latency[`p${facts.budget.percentile}Ms`];
  const budgetMs = workload?.budgetMs ?? facts.budgetMs;
  // Half a percent of tolerance for rounded figures.
  if (facts.met && !(typeof reached === 'number' && reached <= budgetMs * 1.005))
    return `the manifest claims that the budget of ${budgetMs} ms is met, with ${String(reached)} ms measured`;
  return null;
}

/** The bundle's claim about the package; the other components are not available to be measured. */
const useText = ({ component, metric, beforeMs, afterMs, budgetMs, latency }: ClaimedUse): string =>
  `${metric} ${beforeMs.toPrecision(3)} -> ${afterMs.toPrecision(3)} ms claimed with ${component} in its package, budget ${budgetMs.toPrecision(3)} ms: ${latency.verdict}; not measured here`;
type ClaimedUse = NonNullable<ManifestFile['additional_metadata']['secateur']['workload']>;

type Add = (name: string, ok: boolean | null, detail: string) => void;

/**
 * The provider on which the bundle was measured, or the CPU provider when no session opens on that
 * one here. @internal
 */
export async function providerHere(wanted: string, opens: VerifyOptions['opens'] = hasLibrary): Promise<string> {
  return wanted === 'cpu' || (await opens(wanted)) ? wanted : 'cpu';
}

const hasLibrary = (provider: string): Promise<boolean> => Promise.resolve(localDevice().providers.includes(provider));

/**
 * Opens the model and replays the golden cases. Returns inputs to measure on, or null when that
 * failed.
 */
async function runChecks(
  model: string,
  root: string,
  { manifest, provider: here }: { readonly manifest: ManifestFile; readonly provider: string },
  found: ReadonlyMap<string, number>,
  executor: RuntimeExecutor,
  add: Add,
): Promise<Readonly<Record<string, HostTensor>> | null> {
  const facts = manifest.additional_metadata.secateur,
    { provider } = facts.budget;
  const session = await executor.openBytes(model, {
    provider: here,
    threads: facts.measurements.pruned.latency.threads,
  });
  try {
    const where = here === provider ? here : `${here} (${provider} is not on this machine)`;
    add('model', true, `ONNX Runtime opens it on ${where}`);
    const path = facts.parts.golden,
      spec = parse(await readSmall(root, path, found, 'golden'), goldenSchema, 'golden', path);
    const read = async (file: string): Promise<Uint8Array> => {
      if (!found.has(file)) throw new Failed('golden', `${path} names ${file}, which is not in the bundle`);
      return readFile(join(root, file));
    };
    const replay = await replayGolden(session, spec, read, await randomOutputsOf(openModelFile(model)));
    add('golden', replay.ok, replay.detail);
    if (!replay.ok) return null;
    const sizes = await checkSizes(openModelFile(model), session, spec, replay.feeds);
    add('sizes', sizes.ok, sizes.detail);
    return sizes.ok ? replay.feeds : null;
  } catch (e) {
    if (e instanceof SecateurError && e.code !== 'internal') throw new Failed('golden', e.message);
    throw e;
  } finally {
    await session.release();
  }
}
