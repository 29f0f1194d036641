/** What the original says about samples, for a model that learns from it: its outputs, and activations on the way. */
import type { ExecSession, Executor, HostTensor } from '../engine/executor.ts';
import { cloneModel } from '../engine/ir/clone.ts';
import { DType } from '../engine/ir/dtype.ts';
import type { Model } from '../engine/ir/model.ts';

/** Bytes of kept answers. */
const KEPT = 2 ** 29;

/** Answers are computed once per sample and view where all of them fit into memory, and every time where they do not. */
export class Lessons {
  readonly #teacher: ExecSession;
  readonly #input: string;
  readonly #names: readonly string[];
  /** Whether answers are kept: then a key that comes again costs nothing. */
  readonly keeps: boolean;
  readonly #kept = new Map<string, readonly Float32Array[]>();
  #dims: readonly (readonly number[])[] | null = null;

  private constructor(teacher: ExecSession, input: string, names: readonly string[], keep: boolean) {
    this.#teacher = teacher;
    this.#input = input;
    this.#names = names;
    this.keeps = keep;
  }

  /**
   * @param names outputs and inner values of the original, float32
   * @param bytes of one sample's answers; @param samples how many there are, views counted
   */
  static async open(
    executor: Executor,
    original: Model,
    o: {
      readonly input: string;
      readonly names: readonly string[];
      readonly bytes: number;
      readonly samples: number;
      readonly threads: number;
    },
  ): Promise<Lessons> {
    const { model } = cloneModel(original);
    const missing = new Set(o.names.filter((n) => !model.graph.outputs.some((v) => v.name === n)));
    for (const n of model.graph.nodes())
      for (const v of n.outputs)
        if (missing.has(v.name)) {
          v.type ??= { elemType: DType.FLOAT };
          model.graph.outputs.push(v);
        }
    const session = await executor.open(model, { threads: o.threads });
    return new Lessons(session, o.input, o.names, o.bytes * o.samples < KEPT);
  }

  /** @param keys one per sample of `x`: the same key, the same answer */
  async of(x: HostTensor, keys: readonly string[]): Promise<Record<string, HostTensor>> {
    const known = keys.map((k) => this.#kept.get(k));
    if (this.#dims && known.every((k) => k !== undefined))
      return Object.fromEntries(
        this.#names.map((name, o) => {
          const dims = this.#dims![o]!;
          const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
          const row = data.length / keys.length;
          known.forEach((k, i) => data.set(k![o]!, i * row));
          return [name, { dtype: DType.FLOAT, dims, data }];
        }),
      );
    const out = await this.#teacher.run({ [this.#input]: x }, this.#names);
    this.#dims = this.#names.map((name) => out[name]!.dims);
    const whole = this.#names.map((name) => out[name]!.data as Float32Array);
    // Outputs without the batch as first axis cannot be told apart by sample.
    if (this.keeps && this.#dims.every((d) => d[0] === keys.length))
      keys.forEach((k, i) =>
        this.#kept.set(
          k,
          whole.map((d) => d.slice((i * d.length) / keys.length, ((i + 1) * d.length) / keys.length)),
        ),
      );
    return out;
  }

  release(): Promise<void> {
    return this.#teacher.release();
  }
}
