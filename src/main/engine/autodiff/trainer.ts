import type { ExecSession, Executor, HostTensor, SessionOptions } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import type { Slot, TrainStep } from './train-step.ts';

export interface StepResult {
  readonly loss: number;
  /** Global L2 norm of the gradient before clipping; null without clipping. */
  readonly gradNorm: number | null;
  readonly extras: Record<string, HostTensor>;
}

/** Plain data, suitable for a checkpoint. */
export interface TrainerState {
  readonly count: number;
  readonly vectors: ReadonlyMap<string, Float32Array>;
}

/** Holds the state of a training run and advances it. The runtime does the arithmetic. */
export class Trainer {
  readonly #session: ExecSession;
  readonly #step: TrainStep;
  readonly #state = new Map<string, HostTensor>();
  #count = 0;

  /** @param session runs the step; released with the trainer */
  constructor(session: ExecSession, step: TrainStep) {
    this.#session = session;
    this.#step = step;
    for (const s of step.state)
      this.#state.set(s.input, { dtype: DType.FLOAT, dims: [s.initial.length], data: s.initial });
  }

  static async open(executor: Executor, step: TrainStep, options?: SessionOptions): Promise<Trainer> {
    return new Trainer(await executor.open(step.model, options), step);
  }

  /** Number of steps taken. */
  get count(): number {
    return this.#count;
  }

  /**
   * Runs one step on one batch. `feeds` are the model's inputs and those declared by the loss, at the batch size of the
   * step.
   */
  async step(feeds: Readonly<Record<string, HostTensor>>, lr: number): Promise<StepResult> {
    const s = this.#step;
    const out = await this.#session.run({
      ...feeds,
      ...Object.fromEntries(this.#state),
      [s.lr]: scalar(lr),
      [s.step]: scalar(++this.#count),
    });
    for (const v of s.state) this.#state.set(v.input, out[v.output]!);
    return {
      loss: Number(out[s.loss]!.data[0]),
      gradNorm: s.gradNorm === null ? null : Number(out[s.gradNorm]!.data[0]),
      extras: Object.fromEntries([...s.extras].map(([name, output]) => [name, out[output]!])),
    };
  }

  /** Trained weights and running statistics by initializer name: the latest, or their moving average. Copies. */
  parameters(which: 'current' | 'average' = 'current'): Map<string, Float32Array> {
    const out = new Map<string, Float32Array>();
    const read = (kind: 'params' | 'ema' | 'statistics', slots: readonly Slot[]): void => {
      const vector = this.#step.state.find((s) => s.kind === kind);
      if (!vector) return;
      const data = this.#state.get(vector.input)!.data as Float32Array;
      for (const s of slots) out.set(s.name, data.slice(s.offset, s.offset + s.size));
    };
    read('params', this.#step.params);
    if (which === 'average') read('ema', this.#step.params);
    read('statistics', this.#step.statistics);
    return out;
  }

  /** Complete state of the run as plain data. */
  suspend(): TrainerState {
    return { count: this.#count, vectors: new Map([...this.#state].map(([k, v]) => [k, v.data as Float32Array])) };
  }

  /**
   * Continues from the state of a suspended trainer of the same step. Returns false, unchanged, for the state of
   * another step.
   */
  resume(state: unknown): boolean {
    const { count, vectors } = (state ?? {}) as Partial<TrainerState>;
    if (typeof count !== 'number' || !(vectors instanceof Map) || vectors.size !== this.#state.size) return false;
    for (const [k, v] of this.#state) if (vectors.get(k)?.length !== v.data.length) return false;
    for (const [k, data] of vectors) this.#state.set(k, { dtype: DType.FLOAT, dims: [data.length], data });
    this.#count = count;
    return true;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** Writes trained values into a model's initializers of the same names. */
export function writeParameters(model: Model, parameters: ReadonlyMap<string, Float32Array>): void {
  for (const v of model.graph.initializers) {
    const data = parameters.get(v.name);
    if (data && v.initializer) v.initializer = f32(data, v.initializer.dims);
  }
}

const scalar = (x: number): HostTensor => ({ dtype: DType.FLOAT, dims: [], data: Float32Array.of(x) });
