/** The original's outputs and inner activations for samples, as training targets. */
import type { ExecSession, Executor, HostTensor } from '../executor.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Value } from '../ir/value.ts';

/** Maximum bytes of cached outputs. */
const KEPT = 2 ** 29;

export interface TeacherOptions {
  /** Outputs and inner values of the original, float32. */
  readonly names: readonly string[];
  /** Size of one sample's outputs. */
  readonly bytes: number;
  /** Number of samples, counting each view. */
  readonly samples: number;
  readonly threads: number;
}

/** Outputs are computed once per sample and view where all of them fit into memory, and every time otherwise. */
export class TeacherOutputs {
  readonly #executor: Executor;
  readonly #original: Model;
  readonly #o: TeacherOptions;
  /** Whether outputs are cached; a repeated key is then free. */
  readonly keeps: boolean;
  readonly #kept = new Map<string, readonly Float32Array[]>();
  #teacher: ExecSession | null = null;
  #dims: readonly (readonly number[])[] | null = null;

  constructor(executor: Executor, original: Model, o: TeacherOptions) {
    this.#executor = executor;
    this.#original = original;
    this.#o = o;
    this.keeps = o.bytes * o.samples < KEPT;
  }

  /**
   * The original with the wanted values as its outputs.
   * @param called name of an output there, by the value's name
   */
  model(called: (name: string) => string): Model {
    const { model } = cloneModel(this.#original);
    const asked = new Map<string, Value>();
    for (const v of [...model.graph.inputs, ...[...model.graph.nodes()].flatMap((n) => n.outputs)])
      if (this.#o.names.includes(v.name)) asked.set(v.name, v);
    const outputs = this.#o.names.map((name) => asked.get(name)!);
    for (const v of outputs) {
      v.type ??= { elemType: DType.FLOAT };
      v.name = called(v.name);
    }
    model.graph.outputs.splice(0, Infinity, ...outputs);
    return model;
  }

  /** @param keys one per sample of the feeds; equal keys mean equal outputs */
  async of(feeds: Readonly<Record<string, HostTensor>>, keys: readonly string[]): Promise<Record<string, HostTensor>> {
    const { names, threads } = this.#o;
    const known = keys.map((k) => this.#kept.get(k));
    if (this.#dims && known.every((k) => k !== undefined))
      return Object.fromEntries(
        names.map((name, o) => {
          const dims = this.#dims![o]!;
          const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
          const row = data.length / keys.length;
          known.forEach((k, i) => data.set(k![o]!, i * row));
          return [name, { dtype: DType.FLOAT, dims, data }];
        }),
      );
    this.#teacher ??= await this.#executor.open(
      this.model((name) => name),
      { threads },
    );
    const out = await this.#teacher.run(feeds, names);
    this.#dims = names.map((name) => out[name]!.dims);
    const whole = names.map((name) => out[name]!.data as Float32Array);
    // Outputs without the batch as first axis cannot be separated by sample.
    if (this.keeps && this.#dims.every((d) => d[0] === keys.length))
      keys.forEach((k, i) =>
        this.#kept.set(
          k,
          whole.map((d) => d.slice((i * d.length) / keys.length, ((i + 1) * d.length) / keys.length)),
        ),
      );
    return out;
  }

  async release(): Promise<void> {
    await this.#teacher?.release();
  }
}
