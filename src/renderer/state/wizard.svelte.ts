/** The user's choices in all steps: the state that the steps share. */
import { call } from '../app/bridge.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import type { AppInfo, CompressInput, Output, RouteName, Settings } from '../../shared/contract/routes.ts';
import type { DataPreview, OperatorProfile, ReachReport } from '../../shared/model/window.ts';
import type { Progress } from '../../shared/model/frames.ts';
import type { OutputMeaning, OutputReading, QualityFloor, Recipe } from '../../shared/model/job.ts';
import { Asked } from './asked.svelte.ts';
import { BudgetChoice } from './budget.svelte.ts';
import { pageOfJob } from './job-request.ts';
import { jobs } from './jobs.svelte.ts';
import { OpenPackage } from './package.svelte.ts';
import type { Obstacle, Page, Reach, StepName } from './names.ts';
import type { Family } from '../../shared/model/types.ts';

export { Asked };

type Inspection = Output<'models.inspect'>;
type Part = NonNullable<CompressInput['part']>;

/** Delay between the first view of a model and the run that times its operators. */
const PROFILE_MS = 400;

const presetNamed = (name: keyof typeof PRESETS): Recipe => structuredClone(PRESETS[name]) as Recipe;

class Wizard extends BudgetChoice {
  page = $state<Page>('model');
  info = $state.raw<AppInfo | null>(null);
  settings = $state.raw<Settings>({ theme: 'system', threads: 1, outFolder: '' });

  model = $state<string | null>(null);
  /** The path that was last requested to open, even when it is not a model. */
  tried = $state<string | null>(null);
  /** Progress of the short tasks in progress, by the route that started them. */
  tasks = $state.raw<Readonly<Partial<Record<RouteName, Progress>>>>({});
  /** Inspection of the model to prune; for a package, of the chosen component. */
  inspection = new Asked<Inspection>();
  package = new OpenPackage();
  /** Set by the user when the detected family was wrong. */
  family = $state<Family | null>(null);
  /** Sizes of dynamic axes given by the user, by name. */
  dims = $state.raw<Readonly<Record<string, number>>>({});
  profile = new Asked<OperatorProfile>();
  reach = new Asked<ReachReport>();

  data = $state<string | null>(null);
  labels = $state<string | null>(null);
  preprocess = $state<string | null>(null);
  preview = new Asked<DataPreview>();
  /** Readings of outputs set by the user. */
  outputs = $state.raw<Readonly<Record<string, OutputReading>>>({});
  /** The quality floor; missing values have their defaults. */
  floor = $state.raw<QualityFloor>({});

  /** Its `keep` is always empty: widths are set by hand in the Results step, for one job. */
  recipe = $state<Recipe>(presetNamed('balanced'));
  seed = $state(0);
  out = $state<string | null>(null);

  /** The job shown by the steps Run, Results and Export. */
  job = $state<string | null>(null);

  /** The budget in milliseconds; null before the model is measured. */
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

  /** The obstacle to opening a step, or null. */
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
    if (!this.inspection.value) return this.inspection.busy ? 'opening' : this.package.report ? 'component' : 'model';
    if (step === 'budget') return null;
    if (!this.budgetValid) return 'budget';
    return step === 'recipe' ? this.dataObstacle : null;
  }

  /** The obstacle to starting a job, or null. */
  get startBlocked(): Obstacle | null {
    return this.blocked('recipe');
  }

  get dataObstacle(): 'data' | 'looking' | null {
    if (this.data === null) return null;
    if (this.preview.error) return 'data';
    return this.preview.busy ? 'looking' : null;
  }

  /** Opens a model or a package of the user. The data of the previous model are cleared. */
  async openOwn(path: string): Promise<void> {
    this.setData(null);
    // The sample's recipe is only meant for a first try.
    if (this.recipe.name === 'fast') this.recipe = presetNamed('balanced');
    await this.open(path);
  }

  /** Opens a sample with its data and a fast recipe. */
  async openSample(sample: { readonly model: string; readonly data: string | null }): Promise<void> {
    this.setData(sample.data);
    this.recipe = presetNamed('fast');
    await this.open(sample.model);
  }

  setData(data: string | null, labels: string | null = null, preprocess: string | null = null): void {
    Object.assign(this, { data, labels, preprocess });
    this.preview.clear();
  }

  /**
   * Opens a model. Until it is open, and when opening fails, no model is set, so that the previous
   * one is not used.
   * @param job job to show with the model; default: none
   * @param dims sizes of its dynamic axes; when the same model is opened again, the given ones
   * @param part for a package: the component to prune, the metric and the use
   */
  async open(
    path: string,
    job: string | null = null,
    dims = path === this.tried ? this.dims : {},
    part: Partial<Part> = {},
  ): Promise<void> {
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
    this.package.clear();
    await this.inspection.load((abandoned) => this.#inspect(path, part, abandoned));
    const opened = this.inspection.value as Inspection | null;
    if (this.tried !== path || !opened) return;
    this.family = opened.corrected;
    this.#show(opened);
  }

  /**
   * The inspection of a model; for a package, of the component to prune. Null when no component can
   * be pruned.
   */
  async #inspect(path: string, part: Partial<Part>, abandoned: AbortSignal): Promise<Inspection> {
    const found = await call('packages.find', { path }, abandoned);
    if (found.kind === 'model') return call('models.inspect', { model: found.path, ...this.#given }, abandoned);
    const { settings } = part;
    const input = { package: found.path, ...(settings && { settings }), ...this.#given };
    const report = await call('packages.inspect', input, abandoned);
    abandoned.throwIfAborted();
    this.package.take(report, part);
    return this.#component as Inspection;
  }

  /** The component as inspected with its package. */
  get #component(): Inspection | null {
    const { chosen, report } = this.package;
    return chosen?.report ? { ...chosen.report, corrected: report!.corrected } : null;
  }

  /** Chooses another component to prune. Results about the previous component are cleared. */
  choose(component: string): void {
    if (component === this.package.component) return;
    this.package.component = component;
    this.job = null;
    this.reach.clear();
    this.profile.clear();
    this.preview.clear();
    this.recipe = { ...this.recipe, freeze: [], keep: {} };
    this.outputs = {};
    this.floor = {};
    this.forgetMilliseconds();
    this.inspection.value = this.#component;
    if (this.inspection.value) this.#show(this.inspection.value);
  }

  /** Sets the metric of the budget. Milliseconds of another metric do not apply to it. */
  setMetric(metric: string): void {
    this.package.metric = metric;
    this.forgetMilliseconds();
    this.reach.clear();
  }

  /** @param value null: the family's default */
  setUse(name: string, value: number | null): void {
    this.package.set(name, value, this.dims);
    this.reach.clear();
    this.profile.clear();
  }

  measureUse(): void {
    const { threads, provider } = this;
    this.heard('packages.measure', null);
    this.package.measure({ threads, provider }, this.dims);
  }

  #show(opened: Inspection): void {
    // For a folder, the path of the model in it.
    const model = (this.model = opened.model);
    if (this.data) this.look();
    // During a job the profile would wait for the job's end. The delay keeps it from competing with
    // the first view of a big model.
    setTimeout(() => {
      if (this.model === model && !jobs.active && !this.profile.busy && !this.profile.value) this.profileOperators();
    }, PROFILE_MS);
  }

  /** Opens the model again at these sizes, which makes all earlier findings obsolete. */
  async resize(dims: Readonly<Record<string, number>>): Promise<void> {
    if (this.tried !== null) await this.open(this.tried, this.job, dims);
  }

  /** Sizes given by the user. */
  get #given(): Pick<CompressInput, 'dims'> {
    return Object.keys(this.dims).length > 0 ? { dims: this.dims } : {};
  }

  /** Sizes at which the model runs; for a component, those of a phase. */
  get #sizes(): Pick<CompressInput, 'dims'> {
    const dims = { ...this.package.dims, ...this.dims };
    return Object.keys(dims).length > 0 ? { dims } : {};
  }

  /** The additional request fields for a budget on one use of a package. */
  get #part(): Pick<CompressInput, 'part' | 'family'> {
    const { part, report } = this.package;
    return { ...(part && { part }), ...(report?.corrected && { family: report.corrected }) };
  }

  /**
   * Clears choices that apply to one model only: group names, milliseconds, the bundle's folder.
   */
  #forget(): void {
    this.recipe = { ...this.recipe, freeze: [], keep: {} };
    this.forgetMilliseconds();
    this.out = null;
    this.outputs = {};
    this.floor = {};
  }

  /**
   * Sets the wizard to the request of a job, so that a similar job can be started. Widths set by
   * hand stay with that job, since no step shows them.
   */
  take(id: string, request: CompressInput): void {
    const { budget, recipe } = request;
    this.setData(request.data ?? null, request.labels ?? null, request.preprocess ?? null);
    const { dims = {} } = request;
    const { part } = request;
    const same = sameEntries(dims, this.dims);
    const open = this.package.part;
    const samePart = part?.package === open?.package && sameEntries(part?.settings ?? {}, open?.settings ?? {});
    if (this.model === request.model && same && samePart && this.inspection.value) {
      this.job = id;
      if (part && part.metric !== this.package.metric) this.setMetric(part.metric);
      if (this.data) this.look();
    } else void this.open(part?.package ?? request.model, id, dims, part);
    this.recipe = { ...(structuredClone(recipe) as Recipe), keep: {} };
    this.seed = request.seed;
    this.out = null;
    this.outputs = request.outputs ?? {};
    this.floor = request.floor ?? {};
    this.family = request.family ?? this.family;
    if (this.takeBudget(budget)) this.changeConditions();
  }

  /** Measurements under other conditions do not apply. */
  changeConditions(): void {
    this.reach.clear();
    this.profile.clear();
  }

  /** @param progress null: the task has been restarted, so earlier progress is obsolete */
  heard(route: RouteName, progress: Progress | null): void {
    this.tasks = { ...this.tasks, [route]: progress ?? undefined };
  }

  measure(): void {
    const { model, threads, batch, provider } = this;
    if (model === null) return;
    this.heard('budget.reach', null);
    const sizes = this.package.part ? this.#given : this.#sizes;
    const input = { model, threads, batch, provider, ...sizes, ...this.#part };
    void this.reach.load((abandoned) => call('budget.reach', input, abandoned));
  }

  /** Leaving the budget step ends the measurement, which would delay the job. */
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
    const { report } = this.package;
    if (report && this.tried !== null) {
      await call('models.family', { sha256: report.id, family });
      // The settings belong to the family.
      const { component } = this.package;
      await this.open(this.tried, this.job, this.dims, component === null ? {} : { component });
    } else if (value) await call('models.family', { sha256: value.sha256, family });
  }

  /**
   * Reading of each output: set by the user, else found in the data, else inferred from the graph.
   */
  get meanings(): readonly OutputMeaning[] {
    const known = this.preview.value?.original?.outputs ?? this.inspection.value?.meanings ?? [];
    return known.map((m) => {
      const reading = this.outputs[m.name];
      return reading === undefined || (m.source === 'given' && m.reading === reading)
        ? m
        : { name: m.name, reading, source: 'given', why: '' };
    });
  }

  /** @param reading null: inferred */
  readOutput(name: string, reading: OutputReading | null): void {
    const { [name]: _, ...others } = this.outputs;
    this.outputs = reading === null ? others : { ...others, [name]: reading };
    if (this.data !== null) this.look();
  }

  /** Inspects the data again. */
  look(): void {
    const { model, data } = this;
    if (model === null || data === null) return this.preview.clear();
    const input = { model, data, ...this.#judged, ...this.#sizes };
    this.heard('data.preview', null);
    void this.preview.load((abandoned) => call('data.preview', input, abandoned));
  }

  /** Choices that determine how data are read and judged. */
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
    // A job would wait for the measuring task.
    if (this.profile.busy) this.profile.clear();
    this.leaveBudget();
    const { id } = await call('jobs.start', {
      model,
      budget,
      ...(data && { data }),
      ...this.#judged,
      ...this.#given,
      ...(Object.keys(floor).length > 0 && { floor }),
      recipe,
      ...(out && { out }),
      seed,
      ...(family && { family }),
      ...this.#part,
    });
    // The folder now holds this job's bundle.
    this.out = null;
    this.job = id;
    this.page = 'run';
  }
}

const sameEntries = (a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean =>
  JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());

export const wizard = new Wizard();
