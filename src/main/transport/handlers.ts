/** The handler of each route: checks paths, then makes one call to a service. */
import { existsSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { basename, extname, join } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import type {
  CompressInput,
  Events,
  Input,
  JobDetail,
  Output,
  RouteName,
  Topic,
} from '../../shared/contract/routes.ts';
import type { FewerTokensRequest } from '../../shared/model/fewer-tokens.ts';
import type { CompressRequest, PackagePart } from '../../shared/model/job.ts';
import type { PackageReport } from '../../shared/model/package.ts';
import type { InspectReport } from '../../shared/model/tasks.ts';
import { presetNamed } from '../../shared/model/preprocess-presets.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import type { AskRequest } from '../../shared/model/visual-tokens.ts';
import type { FileAccess } from '../services/files.ts';
import type { Services } from '../services/index.ts';
import { estimatesFrom } from '../services/estimates.ts';
import { recipeFields } from '../services/recipe-fields.ts';
import { allocations, criteria, tokenChoices } from '../services/recipes.ts';
import { JOBS } from '../services/jobs.ts';
import { summaryOf } from '../services/summaries.ts';
import type { RouterOptions } from './router.ts';

/** Runs per phase of a package; few, because a person waits. */
const PHASE_RUNS = 30;

export interface HandlerContext {
  readonly services: Services;
  readonly options: RouterOptions;
  readonly files: FileAccess;
  emit<T extends Topic>(topic: T, event: Events[T]): void;
}

type Handlers = {
  readonly [R in RouteName]: (input: Input<R>, abandoned?: AbortSignal) => Promise<Output<R>> | Output<R>;
};

export function handlersFor({ services, options, files, emit }: HandlerContext): Handlers {
  const { jobs, models, settings, devices, bundles, uploads } = services;
  /**
   * Caps threads at the cores that this process may use; more threads would only measure how they
   * share cores.
   */
  const within = <T extends { readonly threads: number }>(conditions: T): T => {
    const cores = availableParallelism();
    if (conditions.threads > cores) throw new SecateurError('threads-too-many', { threads: conditions.threads, cores });
    return conditions;
  };
  /** Runs a short task whose progress the window shows. The task ends when no one waits for it. */
  const task = <T>(route: RouteName, name: string, input: unknown, abandoned?: AbortSignal): Promise<T> =>
    jobs.run<T>(name, input, { onProgress: (progress) => emit('task', { route, progress }) }, abandoned);
  const sources = (i: { data?: string; labels?: string; preprocess?: string }) => ({
    ...(i.data !== undefined && { data: existing(files, i.data) }),
    ...(i.labels !== undefined && { labels: existing(files, i.labels) }),
    ...(i.preprocess !== undefined && {
      preprocess: presetNamed(i.preprocess) ? i.preprocess : existing(files, i.preprocess),
    }),
  });

  const packaged = <T extends { readonly package: string }>(i: T): T => ({ ...i, package: existing(files, i.package) });
  const partOf = ({ part }: { readonly part?: PackagePart }): { part?: PackagePart } =>
    part ? { part: packaged(part) } : {};

  /**
   * A bundle that one of the user's jobs wrote may be named even when its folder was never chosen.
   */
  const written = (path: string): string => (bundles.has(path) ? path : existing(files, path));

  return {
    'app.info': () => ({
      version: options.version,
      home: services.home,
      mode: options.mode,
      // Not read from the runtime: its worker takes longer to start than the window.
      cores: availableParallelism(),
      host: hostname(),
    }),
    'settings.get': () => settings.get(),
    'settings.set': (change) => {
      if (change.outFolder !== undefined) files.check(change.outFolder);
      if (change.threads !== undefined) within({ threads: change.threads });
      return settings.set(change);
    },
    // The window's own file list may show any folder because it returns names only. Hosts with a
    // system dialog need no list.
    'files.list': ({ folder, kind }) =>
      options.mode === 'served' ? files.browse(folder ?? options.start ?? null, kind) : files.list(folder, kind),
    'files.pick': ({ path }) => {
      if (options.mode !== 'served') throw new SecateurError('path-refused', { path });
      return files.choose(path);
    },
    'uploads.begin': ({ files: count, bytes }) => {
      if (options.mode !== 'served') throw new SecateurError('request-refused', { reason: 'files have paths here' });
      return uploads.begin(count, bytes);
    },
    'uploads.discard': async ({ id }) => {
      await uploads.discard(id);
      return {};
    },
    'files.choose': async ({ kind }) => {
      const path = (await options.choose?.(kind)) ?? null;
      if (path !== null) files.grant(path);
      return { path };
    },
    'models.samples': () => models.samples(),
    'models.recent': () => models.recent(),
    'models.forget': ({ path }) => {
      models.forget(path);
      return {};
    },
    'models.inspect': async ({ model, dims }, abandoned) => {
      const input = { model: existing(files, model), ...(dims && { dims }) };
      const report = await task<InspectReport>('models.inspect', 'inspect', input, abandoned);
      models.seen(report);
      return { ...report, corrected: models.correctedFamily(report.sha256) };
    },
    'packages.find': ({ path }) => {
      const found = models.opened(existing(files, path));
      return { ...found, path: files.check(found.path) };
    },
    'packages.inspect': async (i, abandoned) => {
      const request = packaged(i);
      const id = models.packageId(request.package);
      const corrected = i.family ?? models.correctedFamily(id);
      const input = { ...request, ...(corrected && { family: corrected }) };
      const report = await task<PackageReport>('packages.inspect', 'package', input, abandoned);
      models.seenPackage(id, report);
      return { ...report, id, corrected };
    },
    'packages.use': (i, abandoned) => task('packages.use', 'use', packaged(i), abandoned),
    'packages.measure': (i, abandoned) => {
      const input = { ...within(i), ...packaged(i), settings: i.settings ?? {}, runs: PHASE_RUNS };
      return task('packages.measure', 'workload', input, abandoned);
    },
    'tokens.look': (i, abandoned) => task('tokens.look', 'token-look', packaged(i), abandoned),
    'tokens.times': (i, abandoned) => task('tokens.times', 'token-times', packaged(within(i)), abandoned),
    'tokens.cells': (i, abandoned) =>
      task('tokens.cells', 'token-cells', { ...packaged(i), image: existing(files, i.image) }, abandoned),
    'tokens.write': ({ method, keep, image, prompt, settings: { image: _, ...use }, ...i }, abandoned) => {
      const from = packaged(within(i));
      const request: FewerTokensRequest = {
        ...from,
        method,
        keep: { tokens: keep },
        settings: use,
        out: freshFolder(settings.get().outFolder, `${basename(from.package)}-${method}-${keep}`),
        images: image === undefined ? [] : [existing(files, image)],
        prompts: image !== undefined && prompt ? [prompt] : [],
      };
      return task('tokens.write', 'tokens', request, abandoned);
    },
    'answers.ask': ({ ask, image, ...i }, abandoned) => {
      const request: AskRequest = {
        ...packaged(within(i)),
        ...(image !== undefined && { image: existing(files, image) }),
      };
      const onText = (text: string): void => emit('answer', { ask, text });
      return jobs.run('ask', request, { onText }, abandoned);
    },
    'models.family': ({ sha256, family }) => {
      models.correctFamily(sha256, family);
      return {};
    },
    'models.profile': (i, abandoned) =>
      task('models.profile', 'profile', { ...within(i), model: existing(files, i.model) }, abandoned),
    'devices.list': () => devices.list(),
    'devices.forget': async ({ id }) => {
      await devices.forget(id);
      return {};
    },
    'budget.reach': (i, abandoned) =>
      task('budget.reach', 'reach', { ...within(i), model: existing(files, i.model), ...partOf(i) }, abandoned),
    'data.preview': (i, abandoned) => {
      const model = existing(files, i.model);
      const input = { model, ...sources(i), ...(i.outputs && { outputs: i.outputs }), ...(i.dims && { dims: i.dims }) };
      return task('data.preview', 'preview', input, abandoned);
    },
    'recipes.list': () => ({
      presets: Object.values(PRESETS),
      fields: recipeFields(),
      allocations: allocations(),
      criteria: criteria(),
      tokens: tokenChoices(),
    }),
    'jobs.start': async (i) => {
      const device = await devices.resolve(undefined);
      const model = existing(files, i.model);
      const request: CompressRequest = {
        model,
        budget: within(i.budget),
        device: device.id,
        ...sources(i),
        recipe: i.data === undefined ? { ...i.recipe, recovery: { ...i.recipe.recovery, enabled: false } } : i.recipe,
        out:
          i.out === undefined ? freshFolder(settings.get().outFolder, `${resultName(i)}-pruned`) : files.check(i.out),
        seed: i.seed,
        ...(i.family && { family: i.family }),
        ...(i.dims && { dims: i.dims }),
        ...(i.outputs && { outputs: i.outputs }),
        ...(i.floor && { floor: i.floor }),
        ...partOf(i),
      };
      return { id: jobs.start('compress', request).id };
    },
    'jobs.estimate': ({ model, macs }) => estimatesFrom(jobs.list(JOBS), model, macs),
    'jobs.list': () => ({ jobs: jobs.list(JOBS).map(summaryOf), paused: jobs.paused }),
    'jobs.get': ({ id }) => ({ ...(jobs.show(id) as JobDetail), ...jobs.story(id) }),
    'jobs.cancel': async ({ id }) => {
      await jobs.cancel(id);
      return {};
    },
    'jobs.resume': async ({ id }) => {
      await jobs.resume(id);
      return {};
    },
    'jobs.delete': async ({ id }) => {
      const { request } = jobs.show(id);
      jobs.delete(id);
      await uploads.release(request, jobs.requests());
      return {};
    },
    'jobs.pause': ({ paused }) => {
      jobs.paused = paused;
      emit('jobs', { paused });
      return {};
    },
    'review.open': ({ job }, abandoned) => {
      const record = jobs.show(job);
      if (record.kind !== 'compress' || record.status !== 'done')
        throw new SecateurError('job-not-running', { job, status: record.status });
      return task('review.open', 'review', { request: record.request, report: record.result }, abandoned);
    },
    'bundles.list': () => bundles.list(),
    'bundles.delete': async ({ path }) => {
      await bundles.delete(path);
      return {};
    },
    'bundles.verify': ({ bundle }) => ({ id: jobs.start('verify', { bundle: written(bundle) }).id }),
    'bundles.reveal': async ({ path }) => {
      const shown = written(path);
      return { shown: (await options.reveal?.(shown)) ?? false };
    },
  };
}

function existing(files: FileAccess, path: string): string {
  const full = files.check(path);
  if (!existsSync(full)) throw new SecateurError('file-not-found', { path: full });
  return full;
}

/** Base name of the result: the model's name, or the names of the package and its component. */
const resultName = ({ model, part }: Pick<CompressInput, 'model' | 'part'>): string =>
  part ? `${basename(part.package)}-${part.component}` : basename(model, extname(model));

/** Returns a path below the folder, with a number when the name is taken. */
function freshFolder(folder: string, base: string): string {
  for (let n = 1; ; n++) {
    const path = join(folder, n === 1 ? base : `${base}-${n}`);
    if (!existsSync(path)) return path;
  }
}
