/** What the original says about samples, for a model that learns from it: its outputs, and activations on the way. */
import type { ExecSession, Executor, HostTensor } from '../executor.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Value } from '../ir/value.ts';

/** Bytes of kept answers. */
const KEPT = 2 ** 29;

export interface TeacherOptions {
  /** Outputs and inner values of the original, float32. */
  readonly names: readonly string[];
  /** Of one sample's answers. */
  readonly bytes: number;
  /** How many there are, views counted. */
  readonly samples: number;
  readonly threads: number;
}

/** Answers are computed once per sample and view where all of them fit into memory, and every time where they do not. */
export class TeacherOutputs {
  readonly #executor: Executor;
  readonly #original: Model;
  readonly #o: TeacherOptions;
  /** Whether answers are kept: then a key that comes again costs nothing. */
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

  /** The original with the answers as its outputs. @param called what an answer is called there, by the value's name */
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

  /** @param keys one per sample of the feeds: the same key, the same answer */
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

  async release(): Promise<void> {
    await this.#teacher?.release();
  }
}
