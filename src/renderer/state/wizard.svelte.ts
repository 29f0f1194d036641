/** What the user has chosen on the way through: the one state that all steps share. */
import { call, payloadOf } from '../app/bridge.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import type { ErrorPayload } from '../../shared/contract/errors.ts';
import type { AppInfo, Output, Settings } from '../../shared/contract/routes.ts';
import type { DataPreview, OperatorProfile, ReachReport } from '../../shared/model/window.ts';
import type { Progress } from '../../shared/model/frames.ts';
import type { Recipe } from '../../shared/model/job.ts';
import { jobs } from './jobs.svelte.ts';
import type { Page, StepName } from './names.ts';
import type { Budget, Family } from '../../shared/model/types.ts';

type Inspection = Output<'models.inspect'>;

/** From the first view of a model to the run that times its operators. */
const PROFILE_MS = 400;

/** Something that is being asked for: a skeleton while it is, an error when it failed. */
export class Asked<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<ErrorPayload | null>(null);
  busy = $state(false);
  #turn = 0;

  /** Only the newest answer counts. */
  async load(make: () => Promise<T>): Promise<void> {
    const turn = ++this.#turn;
    this.busy = true;
    this.error = null;
    try {
      const value = await make();
      if (turn === this.#turn) this.value = value;
    } catch (e) {
      if (turn === this.#turn) this.error = payloadOf(e);
    } finally {
      if (turn === this.#turn) this.busy = false;
    }
  }

  clear(): void {
    this.#turn++;
    this.value = null;
    this.error = null;
    this.busy = false;
  }
}

class Wizard {
  page = $state<Page>('model');
  info = $state.raw<AppInfo | null>(null);
  settings = $state.raw<Settings>({ theme: 'system', threads: 1, outFolder: '' });

  model = $state<string | null>(null);
  /** Of the short task that was heard of last. */
  task = $state.raw<Progress | null>(null);
  inspection = new Asked<Inspection>();
  /** As the user has it, when the detected one was wrong. */
  family = $state<Family | null>(null);
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

  recipe = $state<Recipe>(structuredClone(PRESETS.balanced) as Recipe);
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

  /** What keeps the user from going on, or null. */
  blocked(step: StepName): 'model' | 'budget' | 'job' | null {
    if (step !== 'model' && !this.inspection.value) return 'model';
    if (['data', 'recipe', 'run'].includes(step) && !this.budgetValid) return 'budget';
    if (['review', 'export'].includes(step) && this.job === null) return 'job';
    return null;
  }

  get budgetValid(): boolean {
    return this.budgetKind === 'ratio' ? this.ratio > 0 && this.ratio < 1 : this.milliseconds > 0;
  }

  /** A model of the user's own: nothing of the last one's data stays. */
  async openOwn(path: string): Promise<void> {
    this.data = this.labels = this.preprocess = null;
    this.preview.clear();
    // The sample's recipe is for a first look.
    if (this.recipe.name === 'fast') this.recipe = structuredClone(PRESETS.balanced) as Recipe;
    await this.open(path);
  }

  /** @param job shown with the model; none yet by default */
  async open(model: string, job: string | null = null): Promise<void> {
    this.model = model;
    this.job = job;
    this.family = null;
    this.reach.clear();
    this.profile.clear();
    await this.inspection.load(() => call('models.inspect', { model }));
    if (this.model !== model || !this.inspection.value) return;
    this.family = this.inspection.value.corrected;
    // Of a folder: the file in it.
    model = this.model = this.inspection.value.model;
    if (this.data) this.look();
    // Beside a job it would wait for the job's end; the first view of a big model is not to share the processor with it.
    setTimeout(() => {
      if (this.model === model && !jobs.active && !this.profile.busy && !this.profile.value) this.profileOperators();
    }, PROFILE_MS);
  }

  measure(): void {
    const { model, threads, batch, provider } = this;
    if (model === null) return;
    const input = { model, threads, batch, provider };
    void this.reach.load(() => call('budget.reach', input));
  }

  profileOperators(): void {
    const { model, threads, batch, provider } = this;
    if (model !== null) void this.profile.load(() => call('models.profile', { model, threads, batch, provider }));
  }

  async setFamily(family: Family): Promise<void> {
    this.family = family;
    const { value } = this.inspection;
    if (value) await call('models.family', { sha256: value.sha256, family });
  }

  /** Looks at the data again. */
  look(): void {
    const { model, data, labels, preprocess } = this;
    if (model === null || data === null) return this.preview.clear();
    const input = { model, data, ...(labels && { labels }), ...(preprocess && { preprocess }) };
    void this.preview.load(() => call('data.preview', input));
  }

  async start(): Promise<void> {
    const { model, budget, data, labels, preprocess, recipe, seed, out, family } = this;
    if (model === null) return;
    const { id } = await call('jobs.start', {
      model,
      budget,
      ...(data && { data }),
      ...(labels && { labels }),
      ...(preprocess && { preprocess }),
      recipe,
      ...(out && { out }),
      seed,
      ...(family && { family }),
    });
    this.job = id;
    this.page = 'run';
  }
}

export const wizard = new Wizard();
