/**
 * Progress on standard error: one rewritten line on a terminal; elsewhere one line per stage and
 * per tenth of a stage.
 */
import type { Progress } from '../../shared/model/frames.ts';
import { duration, percent } from './format.ts';
import type { CliIo } from './io.ts';

const BAR = 24;

export class ProgressView {
  readonly #io: CliIo;
  #stage: string | null = null;
  #tenth = 0;
  #shown = false;

  constructor(io: CliIo) {
    this.#io = io;
  }

  update(p: Progress): void {
    if (this.#io.errIsTty) this.#rewrite(p);
    else this.#append(p);
  }

  /** Prints a line above the bar. */
  line(text: string): void {
    this.clear();
    this.#io.err(`${text}\n`);
  }

  /** Erases the bar. */
  clear(): void {
    if (this.#shown) this.#io.err('\r\x1b[K');
    this.#shown = false;
  }

  #rewrite(p: Progress): void {
    const full = Math.round(p.fraction * BAR);
    const left = p.etaMs === null ? '' : `  ${duration(p.etaMs)} left`;
    const text = `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${percent(p.fraction, 0).padStart(4)}${left}  ${describe(p)}`;
    this.#io.err(`\r\x1b[K${text.slice(0, Math.max(20, this.#io.columns - 1))}`);
    this.#shown = true;
  }

  #append(p: Progress): void {
    const tenth = Math.floor(p.fraction * 10 + 1e-9);
    if (p.stage === this.#stage && tenth <= this.#tenth) return;
    this.#stage = p.stage;
    this.#tenth = Math.max(this.#tenth, tenth);
    const left = p.etaMs === null ? '' : `, ${duration(p.etaMs)} left`;
    this.#io.err(`${percent(p.fraction, 0).padStart(4)}  ${describe(p)}${left}\n`);
  }
}

function describe(p: Progress): string {
  return p.message === '' || p.message === p.stage ? p.stage : `${p.stage}: ${p.message}`;
}
