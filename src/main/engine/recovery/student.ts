/**
 * The model that recovers, and what trains it, in two phases: first every batch is normalized by its own statistics, then
 * by the running ones, which are held still. The first phase bears large steps. The second trains the very function that is
 * deployed: the noise of batch statistics keeps the first from coming as near, and blurs every look at how near it is.
 */
import { writeParameters, type Trainer, type TrainerState } from '../autodiff/trainer.ts';
import type { TrainStep } from '../autodiff/train-step.ts';
import type { HostTensor } from '../executor.ts';
import type { Model } from '../ir/model.ts';

type Values = ReadonlyMap<string, Float32Array>;

export interface StudentOptions {
  /** Its statistics are overwritten when they are held still. */
  readonly model: Model;
  /** The training step of `model` as it is. @param moving whether batches are normalized by their own statistics */
  readonly build: (moving: boolean) => TrainStep;
  readonly open: (step: TrainStep) => Promise<Trainer>;
  /** Whether it begins with moving statistics. */
  readonly moving: boolean;
}

/** Plain data. */
interface StudentState {
  readonly trainer: TrainerState;
  /** Statistics that are held still, or null while they move. */
  readonly still: Values | null;
}

export class Student {
  readonly #o: StudentOptions;
  #step: TrainStep;
  #open: Trainer | null;
  #still: Values | null = null;

  private constructor(o: StudentOptions, step: TrainStep, trainer: Trainer) {
    this.#o = o;
    this.#step = step;
    this.#open = trainer;
  }

  get #trainer(): Trainer {
    return this.#open!;
  }

  static async open(o: StudentOptions): Promise<Student> {
    const step = o.build(o.moving);
    return new Student(o, step, await o.open(step));
  }

  /** Steps taken. */
  get count(): number {
    return this.#trainer.count;
  }

  /** Whether there are statistics that follow the batches. */
  get moving(): boolean {
    return this.#step.statistics.length > 0;
  }

  /** @returns the loss */
  async learn(feeds: Readonly<Record<string, HostTensor>>, lr: number): Promise<number> {
    return (await this.#trainer.step(feeds, lr)).loss;
  }

  /** Weights and statistics by initializer name: the latest, or their moving average. */
  weights(which: 'current' | 'average' = 'current'): Values {
    return new Map([...(this.#still ?? []), ...this.#trainer.parameters(which)]);
  }

  /** From here on statistics stay as they are; weights, their average and the optimizer's memory go on. Once is enough. */
  async settle(): Promise<void> {
    if (!this.moving) return;
    const { count, vectors } = this.#trainer.suspend();
    // The vectors of both steps come in the same order, those of the statistics aside.
    const carried = this.#step.state.filter((s) => s.kind !== 'statistics').map((s) => vectors.get(s.input)!);
    const now = this.#trainer.parameters();
    await this.#turn(new Map(this.#step.statistics.map((s) => [s.name, now.get(s.name)!])));
    this.#trainer.resume({ count, vectors: new Map(this.#step.state.map((s, i) => [s.input, carried[i]!])) });
  }

  suspend(): StudentState {
    return { trainer: this.#trainer.suspend(), still: this.#still };
  }

  /** Goes on where a student of the same model was suspended, in either phase. False when it was another model. */
  async resume(state: unknown): Promise<boolean> {
    const { trainer, still = null } = (state ?? {}) as Partial<StudentState>;
    if (still !== this.#still) await this.#turn(still);
    return this.#trainer.resume(trainer);
  }

  async release(): Promise<void> {
    await this.#open?.release();
    this.#open = null;
  }

  /** Changes the phase; the training begins anew. */
  async #turn(still: Values | null): Promise<void> {
    if (still) writeParameters(this.#o.model, still);
    // A step may take a third of the memory: the old one goes first.
    await this.release();
    this.#step = this.#o.build(this.#o.moving && still === null);
    this.#still = still;
    this.#open = await this.#o.open(this.#step);
  }
}
