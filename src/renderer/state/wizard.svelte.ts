/** What the user has chosen on the way through: the one state that all steps share. */
import { call } from '../app/bridge.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import type { AppInfo, CompressInput, Output, RouteName, Settings } from '../../shared/contract/routes.ts';
import type { DataPreview, OperatorProfile, ReachReport } from '../../shared/model/window.ts';
import type { Progress } from '../../shared/model/frames.ts';
import type { OutputMeaning, OutputReading, QualityFloor, Recipe } from '../../shared/model/job.ts';
import { Asked } from './asked.svelte.ts';
import { pageOfJob } from './job-request.ts';
import { jobs } from './jobs.svelte.ts';
import type { Page, StepName } from './names.ts';
import type { Budget, Family } from '../../shared/model/types.ts';

export { Asked };

type Inspection = Output<'models.inspect'>;

/** Why a step cannot be gone to; the sentences are `t.blocked`. */
export type Obstacle = 'model' | 'opening' | 'budget' | 'data' | 'looking' | 'job' | 'unfinished' | 'nothing';

/** How a budget compares with what was measured: 'unknown' where nothing was. */
export type Reach = 'unknown' | 'met' | 'within' | 'out';

/** From the first view of a model to the run that times its operators. */
const PROFILE_MS = 400;

const presetNamed = (name: keyof typeof PRESETS): Recipe => structuredClone(PRESETS[name]) as Recipe;

class Wizard {
  page = $state<Page>('model');
  info = $state.raw<AppInfo | null>(null);
  settings = $state.raw<Settings>({ theme: 'system', threads: 1, outFolder: '' });

  model = $state<string | null>(null);
  /** The path that was to be opened last, whether or not it is a model. */
  tried = $state<string | null>(null);
  /** Of the short tasks that are waited for, by the request that asked for them. */
  tasks = $state.raw<Readonly<Partial<Record<RouteName, Progress>>>>({});
  inspection = new Asked<Inspection>();
  /** As the user has it, when the detected one was wrong. */
  family = $state<Family | null>(null);
  /** Sizes of dynamic axes that the user gives, by name. */
  dims = $state.raw<Readonly<Record<string, number>>>({});
  profile = new Asked<OperatorProfile>();
  reach = new Asked<ReachReport>();

  budgetKind = $state<'ratio' | 'ms'>('ratio');
  ratio = $state(0.5);
  milliseconds = $state(0);
  percentile = $state<Budget['percentile']>(50);
  threads = $state(1);
  provider = $state('cpu');
  batch = $state(1);

  data = $state<string | null>(null);
  labels = $state<string | null>(null);
  preprocess = $state<string | null>(null);
  preview = new Asked<DataPreview>();
  /** How outputs are read, where the user says so. */
  outputs = $state.raw<Readonly<Record<string, OutputReading>>>({});
  /** What a result must keep; what is not in it is as by default. */
  floor = $state.raw<QualityFloor>({});

  /** Its `keep` is always empty: widths are set by hand on the step Results, for one job. */
  recipe = $state<Recipe>(presetNamed('balanced'));
  seed = $state(0);
  out = $state<string | null>(null);

  /** The job that run, review and export show. */
  job = $state<string | null>(null);

  get budget(): Budget {
    const { percentile, threads, provider, batch } = this;
    const conditions = { percentile, threads, provider, batch } as const;
    return this.budgetKind === 'ratio'
      ? { ratio: this.ratio, ...conditions }
      : { ms: this.milliseconds, ...conditions };
  }

  /** What the budget comes to in milliseconds; null before the model is measured. */
  get goalMs(): number | null {
    const reach = this.reach.value;
    if (this.budgetKind === 'ms') return this.milliseconds;
    return reach && this.ratio * reach.baselineMs;
  }

  /** Predicted from the measured operators. */
  get withinReach(): Reach {
    const { goalMs } = this;
    const reach = this.reach.value;
    if (!reach || goalMs === null || !this.budgetValid) return 'unknown';
    if (goalMs >= reach.baselineMs) return 'met';
    return goalMs < reach.leastMs ? 'out' : 'within';
  }

  /** What keeps the user from going on, or null. */
  blocked(step: StepName): Obstacle | null {
    if (step === 'model') return null;
    if (step === 'run') return this.job === null ? 'job' : null;
    if (step === 'review' || step === 'export')
      return this.job === null
        ? 'job'
        : pageOfJob(
            step,
            jobs.list.find((j) => j.id === this.job),
          );
    if (!this.inspection.value) return this.inspection.busy ? 'opening' : 'model';
    if (step === 'budget') return null;
    if (!this.budgetValid) return 'budget';
    return step === 'recipe' ? this.dataObstacle : null;
  }

  /** What keeps a job from being started, or null. */
  get startBlocked(): Obstacle | null {
    return this.blocked('recipe');
  }

  get dataObstacle(): 'data' | 'looking' | null {
    if (this.data === null) return null;
    if (this.preview.error) return 'data';
    return this.preview.busy ? 'looking' : null;
  }

  get budgetValid(): boolean {
    return this.budgetKind === 'ratio' ? this.ratio > 0 && this.ratio < 1 : this.milliseconds > 0;
  }

  /** A model of the user's own: nothing of the last one's data stays. */
  async openOwn(path: string): Promise<void> {
    this.setData(null);
    // The sample's recipe is for a first look.
    if (this.recipe.name === 'fast') this.recipe = presetNamed('balanced');
    await this.open(path);
  }

  /** A sample: its data with it, and a recipe that does not take long. */
  async openSample(sample: { readonly model: string; readonly data: string }): Promise<void> {
    this.setData(sample.data);
    this.recipe = presetNamed('fast');
    await this.open(sample.model);
  }

  setData(data: string | null, labels: string | null = null, preprocess: string | null = null): void {
    Object.assign(this, { data, labels, preprocess });
    this.preview.clear();
  }

  /**
   * Until the model is open, and when it cannot be opened, there is none: nothing of the last one is gone on with.
   * @param job shown with the model; none yet by default
   * @param dims sizes of its dynamic axes; for the same model again, those that were given
   */
  async open(path: string, job: string | null = null, dims = path === this.tried ? this.dims : {}): Promise<void> {
    if (path !== this.tried) this.#forget();
    this.dims = dims;
    this.tried = path;
    this.model = null;
    this.job = job;
    this.family = null;
    this.reach.clear();
    this.profile.clear();
    this.preview.clear();
    this.inspection.value = null;
    await this.inspection.load((abandoned) => call('models.inspect', { model: path, ...this.#sizes }, abandoned));
    const opened = this.inspection.value as Inspection | null;
    if (this.tried !== path || !opened) return;
    this.family = opened.corrected;
    // Of a folder: the file in it.
    const model = (this.model = opened.model);
    if (this.data) this.look();
    // Beside a job it would wait for the job's end; the first view of a big model is not to share the processor with it.
    setTimeout(() => {
      if (this.model === model && !jobs.active && !this.profile.busy && !this.profile.value) this.profileOperators();
    }, PROFILE_MS);
  }

  /** Opens the model again at these sizes: everything that was found at others is found anew. */
  async resize(dims: Readonly<Record<string, number>>): Promise<void> {
    if (this.tried !== null) await this.open(this.tried, this.job, dims);
  }

  get #sizes(): Pick<CompressInput, 'dims'> {
    return Object.keys(this.dims).length > 0 ? { dims: this.dims } : {};
  }

  /** What was chosen for one model and means nothing for another: names of groups, milliseconds, the bundle's folder. */
  #forget(): void {
    this.recipe = { ...this.recipe, freeze: [], keep: {} };
    this.budgetKind = 'ratio';
    this.milliseconds = 0;
    this.out = null;
    this.outputs = {};
    this.floor = {};
  }

  /**
   * Puts the wizard where a job was started from, so that another one can be. Widths that were set by hand stay with that
   * job: no step shows them.
   */
  take(id: string, request: CompressInput): void {
    const { budget, recipe } = request;
    this.setData(request.data ?? null, request.labels ?? null, request.preprocess ?? null);
    const { dims = {} } = request;
    const same = JSON.stringify(Object.entries(dims).sort()) === JSON.stringify(Object.entries(this.dims).sort());
    if (this.model === request.model && same && this.inspection.value) {
      this.job = id;
      if (this.data) this.look();
    } else void this.open(request.model, id, dims);
    this.recipe = { ...(structuredClone(recipe) as Recipe), keep: {} };
    this.seed = request.seed;
    this.out = null;
    this.outputs = request.outputs ?? {};
    this.floor = request.floor ?? {};
    this.family = request.family ?? this.family;
    this.budgetKind = budget.ratio === undefined ? 'ms' : 'ratio';
    if (budget.ratio !== undefined) this.ratio = budget.ratio;
    if (budget.ms !== undefined) this.milliseconds = budget.ms;
    const { threads, batch, provider } = this;
    if (threads !== budget.threads || batch !== budget.batch || provider !== budget.provider) this.changeConditions();
    Object.assign(this, {
      threads: budget.threads,
      percentile: budget.percentile,
      batch: budget.batch,
      provider: budget.provider,
    });
  }

  /** Figures of other conditions say nothing about these. */
  changeConditions(): void {
    this.reach.clear();
    this.profile.clear();
  }

  /** @param progress null: the task is asked for anew, what was heard of the one before is over */
  heard(route: RouteName, progress: Progress | null): void {
    this.tasks = { ...this.tasks, [route]: progress ?? undefined };
  }

  measure(): void {
    const { model, threads, batch, provider } = this;
    if (model === null) return;
    this.heard('budget.reach', null);
    const input = { model, threads, batch, provider, ...this.#sizes };
    void this.reach.load((abandoned) => call('budget.reach', input, abandoned));
  }

  /** Whoever leaves the budget does not wait for the measurement: it would hold up the job. */
  leaveBudget(): void {
    if (this.reach.busy) this.reach.clear();
  }

  profileOperators(): void {
    const { model, threads, batch, provider } = this;
    if (model === null) return;
    const input = { model, threads, batch, provider, ...this.#sizes };
    void this.profile.load((abandoned) => call('models.profile', input, abandoned));
  }

  async setFamily(family: Family): Promise<void> {
    this.family = family;
    const { value } = this.inspection;
    if (value) await call('models.family', { sha256: value.sha256, family });
  }

  /** How each output is read: what the user says, what the data showed, what the graph says. */
  get meanings(): readonly OutputMeaning[] {
    const known = this.preview.value?.original?.outputs ?? this.inspection.value?.meanings ?? [];
    return known.map((m) => {
      const reading = this.outputs[m.name];
      return reading === undefined || (m.source === 'given' && m.reading === reading)
        ? m
        : { name: m.name, reading, source: 'given', why: '' };
    });
  }

  /** @param reading null: as inferred */
  readOutput(name: string, reading: OutputReading | null): void {
    const { [name]: _, ...others } = this.outputs;
    this.outputs = reading === null ? others : { ...others, [name]: reading };
    if (this.data !== null) this.look();
  }

  /** Looks at the data again. */
  look(): void {
    const { model, data } = this;
    if (model === null || data === null) return this.preview.clear();
    const input = { model, data, ...this.#judged, ...this.#sizes };
    this.heard('data.preview', null);
    void this.preview.load((abandoned) => call('data.preview', input, abandoned));
  }

  /** What decides how data are read and judged. */
  get #judged(): Pick<CompressInput, 'labels' | 'preprocess' | 'outputs'> {
    const { labels, preprocess, outputs } = this;
    return {
      ...(labels && { labels }),
      ...(preprocess && { preprocess }),
      ...(Object.keys(outputs).length > 0 && { outputs }),
    };
  }

  async start(): Promise<void> {
    const { model, budget, data, recipe, seed, out, family, floor } = this;
    if (model === null) return;
    // A job waits for what measures.
    if (this.profile.busy) this.profile.clear();
    this.leaveBudget();
    const { id } = await call('jobs.start', {
      model,
      budget,
      ...(data && { data }),
      ...this.#judged,
      ...this.#sizes,
      ...(Object.keys(floor).length > 0 && { floor }),
      recipe,
      ...(out && { out }),
      seed,
      ...(family && { family }),
    });
    // It holds this job's bundle from now on.
    this.out = null;
    this.job = id;
    this.page = 'run';
  }
}

export const wizard = new Wizard();
