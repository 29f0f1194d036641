/**
 * Turns user input into checked requests with absolute paths. A request that cannot work is refused
 * before anything heavy starts.
 */
import { accessSync, constants, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { parseBudget } from '../../shared/model/budget.ts';
import { presetNamed } from '../../shared/model/preprocess-presets.ts';
import type { CompressRequest, PackagePart, OutputReading, QualityFloor, Recipe } from '../../shared/model/job.ts';
import type { PackageRequest, WorkloadRequest } from '../../shared/model/package.ts';
import type {
  BenchRequest,
  CompareRequest,
  CoverageRequest,
  InspectRequest,
  VerifyRequest,
} from '../../shared/model/tasks.ts';
import type { Budget } from '../../shared/model/types.ts';
import { componentsOf } from '../engine/packages/layout.ts';
import { packageFiles } from '../storage/package-files.ts';
import { loadRecipe } from './recipes.ts';

export interface MeasureOptions {
  readonly provider?: string;
  readonly threads?: number;
  readonly batch?: number;
  readonly runs?: number;
  readonly dim?: Dims;
}

/** Sizes of dynamic axes by name. */
type Dims = Readonly<Record<string, number>>;

/** The data source and the reading of outputs. */
export interface SourceOptions {
  readonly labels?: string;
  /** Path of a file, or the name of a preset. */
  readonly preprocess?: string;
  readonly output?: Readonly<Record<string, OutputReading>>;
}

export interface CompressOptions extends MeasureOptions, SourceOptions {
  /** Component id, for a package. */
  readonly component?: string;
  /** Metric of the package's workload; default: total. */
  readonly metric?: string;
  readonly workload?: Dims;
  readonly minAgreement?: number;
  readonly maxDrop?: number;
  readonly minPsnr?: number;
  readonly budget: string;
  readonly percentile?: Budget['percentile'];
  readonly device: string;
  readonly data?: string;
  readonly recipe?: string;
  readonly out?: string;
  readonly seed?: number;
  /** Seconds of recovery; 0 turns it off. */
  readonly timeLimit?: number;
}

const DEFAULT_RUNS = 100;

export function inspectRequest(
  model: string,
  o: SourceOptions & { readonly data?: string; readonly dim?: Dims },
  cwd: string,
): InspectRequest {
  if (o.data === undefined && (o.labels !== undefined || o.preprocess !== undefined))
    throw new SecateurError('usage', { reason: '--labels and --preprocess need --data' });
  return {
    model: existing(model, cwd),
    ...(o.data !== undefined && { data: existing(o.data, cwd) }),
    ...sources(o, cwd),
    ...sizes(o),
  };
}

export function benchRequest(model: string, vs: string | undefined, o: MeasureOptions, cwd: string): BenchRequest {
  return {
    model: existing(model, cwd),
    ...(vs !== undefined && { vs: existing(vs, cwd) }),
    ...measuring(o),
    ...sizes(o),
  };
}

/** True for a folder, which is a package of components and not one model. */
export const isPackage = (path: string, cwd: string): boolean =>
  statSync(resolve(cwd, path), { throwIfNoEntry: false })?.isDirectory() ?? false;

export function packageRequest(
  path: string,
  o: { readonly dim?: Dims; readonly workload?: Dims; readonly data?: string },
  cwd: string,
): PackageRequest {
  if (o.data !== undefined)
    throw new SecateurError('usage', { reason: '--data is for one model, and a folder is a package' });
  return { package: existing(path, cwd), ...sizes(o), ...(o.workload && { settings: o.workload }) };
}

export function workloadRequest(
  path: string,
  o: Omit<MeasureOptions, 'batch'> & { readonly workload?: Dims },
  cwd: string,
): WorkloadRequest {
  const { provider, threads, runs, threadsAsked } = measuring(o);
  return {
    package: existing(path, cwd),
    settings: o.workload ?? {},
    provider,
    threads,
    runs,
    ...(threadsAsked !== undefined && { threadsAsked }),
    ...sizes(o),
  };
}

export function compareRequest(
  original: string,
  pruned: string,
  o: MeasureOptions & SourceOptions & { readonly data: string },
  cwd: string,
): CompareRequest {
  return {
    original: existing(original, cwd),
    pruned: existing(pruned, cwd),
    data: existing(o.data, cwd),
    ...sources(o, cwd),
    ...measuring(o),
    ...sizes(o),
  };
}

/**
 * Returns one request per model: files as given, folders with every .onnx file below them, sorted
 * by name.
 */
export function coverageRequests(
  paths: readonly string[],
  o: { readonly ratio: number; readonly dim?: Dims },
  cwd: string,
): CoverageRequest[] {
  const models = paths.flatMap((given) => {
    const path = existing(given, cwd);
    if (!statSync(path).isDirectory()) return [{ model: path, name: basename(path, '.onnx') }];
    const found = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((f) => /\.onnx$/i.test(f));
    if (found.length === 0) throw new SecateurError('file-not-found', { path: join(path, '*.onnx') });
    return found.sort().map((f) => ({ model: join(path, f), name: f.replace(/\.onnx$/i, '').replaceAll('\\', '/') }));
  });
  return models.map((m) => ({ ...m, ratio: o.ratio, ...sizes(o) }));
}

export function verifyRequest(bundle: string, o: { readonly dim?: Dims }, cwd: string): VerifyRequest {
  return { bundle: existing(bundle, cwd), ...sizes(o) };
}

export function compressRequest(model: string, o: CompressOptions, cwd: string): CompressRequest {
  const given = existing(model, cwd);
  const part = partOf(given, o);
  const path = part ? part.file : given;
  const { provider, threads, batch, threadsAsked } = measuring(o);
  const budget: Budget = { ...parseBudget(o.budget), percentile: o.percentile ?? 50, batch, threads, provider };
  const data = o.data === undefined ? undefined : existing(o.data, cwd);
  return {
    model: path,
    budget,
    device: o.device,
    ...(data !== undefined && { data }),
    ...sources(o, cwd),
    recipe: withOptions(loadRecipe(o.recipe, cwd), o, data !== undefined),
    out: outFolder(o.out, path, cwd),
    seed: o.seed ?? 0,
    ...(part && { part: part.part }),
    ...sizes(o),
    ...floorOf(o),
    ...(threadsAsked !== undefined && { threadsAsked }),
  };
}

/** Resolves the component to prune when the path is a package of several. */
function partOf(
  path: string,
  { component, metric, workload }: CompressOptions,
): { part: PackagePart; file: string } | null {
  if (!statSync(path).isDirectory()) {
    if (component !== undefined || metric !== undefined || workload)
      throw new SecateurError('usage', {
        reason: '--component, --metric and --workload are for the folder of a package',
      });
    return null;
  }
  const { root, models } = packageFiles(path);
  const found = componentsOf(models);
  const one = component === undefined && found.length === 1 ? found[0] : found.find((c) => c.id === component);
  if (!one)
    throw new SecateurError('package-several', {
      path,
      count: found.length,
      components: found.map((c) => c.id).join(', '),
    });
  return {
    part: { package: path, component: one.id, metric: metric ?? 'total', settings: workload ?? {} },
    file: join(root, one.file),
  };
}

/** Includes only the floor values that were given; the rest stays default. */
export function floorOf(o: Pick<CompressOptions, 'minAgreement' | 'maxDrop' | 'minPsnr'>): { floor?: QualityFloor } {
  const floor: QualityFloor = {
    ...(o.minAgreement !== undefined && { minAgreement: o.minAgreement }),
    ...(o.maxDrop !== undefined && { maxDrop: o.maxDrop }),
    ...(o.minPsnr !== undefined && { minPsnrDb: o.minPsnr }),
  };
  return Object.keys(floor).length > 0 ? { floor } : {};
}

/**
 * Applies command-line settings over the recipe's. Recovery needs data, so it is turned off without
 * them.
 */
export function withOptions(recipe: Recipe, o: Pick<CompressOptions, 'runs' | 'timeLimit'>, hasData: boolean): Recipe {
  const seconds = o.timeLimit ?? recipe.recovery.seconds;
  const wanted = o.timeLimit === undefined ? recipe.recovery.enabled : o.timeLimit > 0;
  return {
    ...recipe,
    ...(o.runs !== undefined && { latencyRuns: o.runs }),
    recovery: { ...recipe.recovery, seconds, enabled: wanted && hasData },
  };
}

function sources(
  o: SourceOptions,
  cwd: string,
): { labels?: string; preprocess?: string; outputs?: Readonly<Record<string, OutputReading>> } {
  return {
    ...(o.output !== undefined && { outputs: o.output }),
    ...(o.labels !== undefined && { labels: existing(o.labels, cwd) }),
    ...(o.preprocess !== undefined && {
      // A file with the name of a preset can be given as ./NAME.
      preprocess: presetNamed(o.preprocess) ? o.preprocess : existing(o.preprocess, cwd),
    }),
  };
}

const sizes = ({ dim }: { readonly dim?: Dims }): { dims?: Dims } => (dim ? { dims: dim } : {});

export function measuring(
  o: MeasureOptions,
): Required<Omit<MeasureOptions, 'dim'>> & { readonly threadsAsked?: number } {
  const [asked, most] = [o.threads ?? 1, availableParallelism()];
  return {
    provider: o.provider ?? 'cpu',
    // With more threads than cores, the scheduler would be measured.
    threads: Math.min(asked, most),
    ...(asked > most && { threadsAsked: asked }),
    batch: o.batch ?? 1,
    runs: o.runs ?? DEFAULT_RUNS,
  };
}

/**
 * Returns the absolute path of a readable file or folder. Throws `file-not-found` or
 * `file-unreadable`.
 */
export function existing(path: string, cwd: string): string {
  const full = resolve(cwd, path);
  if (!existsSync(full)) throw new SecateurError('file-not-found', { path: full });
  try {
    accessSync(full, constants.R_OK);
  } catch (e) {
    throw new SecateurError('file-unreadable', { path: full, reason: (e as Error).message }, { cause: e });
  }
  return full;
}

/** Returns the folder for the bundle. It need not exist, but it must be possible to create it. */
export function outFolder(out: string | undefined, model: string, cwd: string): string {
  const wanted = out === undefined ? defaultOut(model, cwd) : resolve(cwd, out);
  if (existsSync(wanted) && !statSync(wanted).isDirectory()) {
    throw new SecateurError('out-unusable', { path: wanted, reason: 'it is a file' });
  }
  try {
    mkdirSync(dirname(wanted), { recursive: true });
    accessSync(dirname(wanted), constants.W_OK);
  } catch (e) {
    throw new SecateurError('out-unusable', { path: wanted, reason: (e as Error).message }, { cause: e });
  }
  return wanted;
}

/** Returns `<model>-pruned` in the working folder, with a number when the name is taken. */
function defaultOut(model: string, cwd: string): string {
  const base = `${basename(model, extname(model))}-pruned`;
  for (let n = 1; ; n++) {
    const path = join(cwd, n === 1 ? base : `${base}-${n}`);
    if (!existsSync(path)) return path;
  }
}
