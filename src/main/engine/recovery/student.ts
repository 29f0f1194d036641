/**
 * The model to recover and its training, in two phases: first, every batch is normalized by its own statistics; then by
 * the running ones, which are frozen. The first phase tolerates large steps. The second trains exactly the deployed
 * function: the noise of batch statistics keeps the first phase from converging as closely, and makes measurements of
 * the loss less precise.
 */
import { writeParameters, type Trainer, type TrainerState } from '../autodiff/trainer.ts';
import type { TrainStep } from '../autodiff/train-step.ts';
import type { HostTensor } from '../executor.ts';
import type { Model } from '../ir/model.ts';

type Values = ReadonlyMap<string, Float32Array>;

export interface StudentOptions {
  /** Its statistics are overwritten when they are frozen. */
  readonly model: Model;
  /**
   * The training step of `model` in its present state.
   * @param moving whether batches are normalized by their own statistics
   */
  readonly build: (moving: boolean) => TrainStep;
  readonly open: (step: TrainStep) => Promise<Trainer>;
  /** Whether training starts with moving statistics. */
  readonly moving: boolean;
}

/** Plain data. */
interface StudentState {
  readonly trainer: TrainerState;
  /** Frozen statistics, or null while they move. */
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

  /** Number of steps taken. */
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

  /** Freezes the statistics. Weights, their average and the optimizer's state continue. Later calls have no effect. */
  async settle(): Promise<void> {
    if (!this.moving) return;
    const { count, vectors } = this.#trainer.suspend();
    // The vectors of both steps have the same order, except for those of the statistics.
    const carried = this.#step.state.filter((s) => s.kind !== 'statistics').map((s) => vectors.get(s.input)!);
    const now = this.#trainer.parameters();
    await this.#turn(new Map(this.#step.statistics.map((s) => [s.name, now.get(s.name)!])));
    this.#trainer.resume({ count, vectors: new Map(this.#step.state.map((s, i) => [s.input, carried[i]!])) });
  }

  suspend(): StudentState {
    return { trainer: this.#trainer.suspend(), still: this.#still };
  }

  /**
   * Continues from the state of a suspended student of the same model, in either phase. Returns false for another
   * model.
   */
  async resume(state: unknown): Promise<boolean> {
    const { trainer, still = null } = (state ?? {}) as Partial<StudentState>;
    if (still !== this.#still) await this.#turn(still);
    return this.#trainer.resume(trainer);
  }

  async release(): Promise<void> {
    await this.#open?.release();
    this.#open = null;
  }

  /** Switches the phase; the training step is built again. */
  async #turn(still: Values | null): Promise<void> {
    if (still) writeParameters(this.#o.model, still);
    // A step can take a third of the memory, so the old one is released first.
    await this.release();
    this.#step = this.#o.build(this.#o.moving && still === null);
    this.#still = still;
    this.#open = await this.#o.open(this.#step);
  }
}
