/** Trying a package: a question about a picture, answers side by side, and the number of tokens. */
import { call } from '../app/bridge.ts';
import { fileName } from '../app/format.ts';
import type { Events, Sample } from '../../shared/contract/routes.ts';
import type { FewerTokensReport } from '../../shared/model/fewer-tokens.ts';
import type { MethodChoice, Selection, TokenCells, TokenLook, TokenTimes } from '../../shared/model/visual-tokens.ts';
import { Answer, type Question } from './answer.svelte.ts';
import { Asked } from './asked.svelte.ts';
import { msAt } from './interpolate.ts';
import { Picture } from './picture.svelte.ts';
import { wizard } from './wizard.svelte.ts';

/** The source of the second answer: none, the package with fewer tokens, or another package. */
export type Against = 'nothing' | 'method' | 'folder';

/** Share of the tokens that a newly chosen method keeps. */
const FIRST_SHARE = 0.25;

class Trial {
  /** Folder of the package. */
  path = $state<string | null>(null);
  look = new Asked<TokenLook>();
  picture = new Picture();
  prompt = $state('');
  /** Whether tokens are drawn at random, with this temperature. */
  sampled = $state(false);
  temperature = $state(1);
  /** Most tokens of the answer; null: as the package says. */
  length = $state<number | null>(null);
  original = new Answer();
  reduced = new Answer();

  against = $state<Against>('nothing');
  method = $state('');
  keep = $state(1);
  /** Folder of another package to compare with. */
  folder = $state<string | null>(null);

  /** Times of the original package by image tokens, and of the chosen method. */
  growth = new Asked<TokenTimes>();
  times = new Asked<TokenTimes>();
  cells = new Asked<TokenCells>();
  written = new Asked<FewerTokensReport>();
  #timedAt = $state.raw('');
  #grownAt = $state.raw('');

  /** Opens a package. Picture and prompt stay, since they may be put to another package too. */
  open(path: string): void {
    if (path === this.path) return;
    this.path = path;
    this.against = 'nothing';
    this.method = '';
    this.folder = null;
    for (const answer of [this.original, this.reduced]) answer.clear();
    for (const asked of [this.look, this.growth, this.times, this.cells, this.written]) asked.clear();
    void this.look.load((abandoned) => call('tokens.look', { package: path }, abandoned));
  }

  /** Begins with the picture and the question of a sample. */
  example({ path, src, prompt }: NonNullable<Sample['example']>): void {
    this.picture.show(path, fileName(path), src);
    this.prompt = prompt;
  }

  get choice(): MethodChoice | null {
    return this.look.value?.methods.find((m) => m.name === this.method) ?? null;
  }

  /** The chosen method and number; null where the second answer does not come from a method. */
  get selection(): Selection | null {
    const { against, method, keep } = this;
    return against === 'method' && this.choice ? { method, keep } : null;
  }

  get canAsk(): boolean {
    return this.path !== null && (this.picture.path !== null || this.prompt.trim() !== '');
  }

  get busy(): boolean {
    return this.original.busy || this.reduced.busy;
  }

  chooseMethod(method: string): void {
    const { tokens } = this.look.value ?? {};
    if (method !== this.method) this.times.clear();
    this.against = 'method';
    this.method = method;
    const levels = this.choice?.levels ?? [];
    const wanted = FIRST_SHARE * (tokens?.free ?? 0);
    this.keep = levels.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a), levels[0] ?? 1);
    this.changed();
  }

  /** The second answer and the cells are those of an earlier choice. */
  changed(): void {
    this.reduced.clear();
    this.cells.clear();
    this.written.clear();
  }

  /** Asks the original first and then the other, so that neither slows the other. */
  async ask(): Promise<void> {
    const { path } = this;
    if (path === null || !this.canAsk) return;
    const question = this.#question();
    const other = this.#other(path);
    this.reduced.clear();
    if ((await this.original.ask({ ...question, package: path })) && other)
      await this.reduced.ask({ ...question, ...other });
  }

  stop(): void {
    this.original.stop();
    this.reduced.stop();
  }

  heard(event: Events['answer']): void {
    this.original.heard(event);
    this.reduced.heard(event);
  }

  #question(): Omit<Question, 'package'> {
    const { prompt, length, sampled, temperature } = this;
    const { threads, provider } = wizard;
    const image = this.picture.path;
    // Both answers draw with the same seed.
    const seed = Math.floor(Math.random() * 2 ** 31);
    return {
      ...(image !== null && { image }),
      ...(prompt.trim() !== '' && { prompt }),
      ...(length !== null && { tokens: length }),
      ...(sampled && { sampling: { temperature, topK: 0, topP: 1, seed } }),
      threads,
      provider,
    };
  }

  #other(path: string): Pick<Question, 'package' | 'fewer'> | null {
    const { selection, against, folder } = this;
    const own = this.written.value?.written?.folder;
    if (selection) return own === undefined ? { package: path, fewer: selection } : { package: own };
    return against === 'folder' && folder !== null ? { package: folder } : null;
  }

  get #conditions(): string {
    const { threads, provider } = wizard;
    return JSON.stringify([this.path, wizard.package.settings, threads, provider]);
  }

  /** The measured times of the chosen method, unless they were measured under other conditions. */
  get curve(): TokenTimes | null {
    const { value } = this.times;
    return value?.method === this.method && this.#timedAt === this.#conditions ? value : null;
  }

  get originalCurve(): TokenTimes | null {
    return this.#grownAt === this.#conditions ? this.growth.value : null;
  }

  /** Milliseconds until the first token, read between measured points; null before they are measured. */
  get predictedMs(): number | null {
    return this.curve && msAt(this.curve.points, this.keep);
  }

  measureTimes(): void {
    const { selection } = this;
    if (!selection) return;
    this.#timedAt = this.#conditions;
    this.#measure(this.times, selection.method);
  }

  measureGrowth(): void {
    this.#grownAt = this.#conditions;
    this.#measure(this.growth, null);
  }

  #measure(asked: Asked<TokenTimes>, method: string | null): void {
    const { path } = this;
    if (path === null) return;
    const { threads, provider } = wizard;
    const family = wizard.package.report?.corrected;
    const { settings } = wizard.package;
    wizard.heard('tokens.times', null);
    const input = { package: path, method, settings, ...(family && { family }), threads, provider };
    void asked.load((abandoned) => call('tokens.times', input, abandoned));
  }

  /** Looks up which parts of the picture the chosen method keeps. */
  showCells(): void {
    const { path, selection } = this;
    const image = this.picture.path;
    if (path === null || !selection || image === null || this.choice?.parts !== 'kept') return this.cells.clear();
    void this.cells.load((abandoned) => call('tokens.cells', { package: path, image, ...selection }, abandoned));
  }

  /** Writes the package with the chosen number of tokens. Until another choice, answers come from its folder. */
  async write(): Promise<void> {
    const { path, selection, prompt } = this;
    if (path === null || !selection) return;
    const image = this.picture.path;
    const { threads, provider } = wizard;
    const asked = image === null ? {} : { image, ...(prompt.trim() !== '' && { prompt }) };
    const input = { package: path, ...selection, settings: wizard.package.settings, ...asked, threads, provider };
    wizard.heard('tokens.write', null);
    await this.written.load((abandoned) => call('tokens.write', input, abandoned));
  }
}

export const trial = new Trial();
