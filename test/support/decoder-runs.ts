/** Runs decoders with caches: a prompt, then token by token. */
import type { ExecSession, HostTensor } from '../../src/main/engine/executor.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { halfToNumber, numberToHalf, type NumericArray } from '../../src/main/engine/ir/tensor.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { IMAGE_MASK } from '../../src/main/engine/structures/tokens/decoder/image-mask.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { plainExecutor } from './executor.ts';

/** Inputs of one run. */
export interface Step {
  /** Embeddings [1, S, H] or ids [1, S]. */
  readonly tokens: HostTensor;
  /** Bit per token: belongs to an image. */
  readonly image: readonly boolean[];
  readonly extra?: Readonly<Record<string, HostTensor>>;
}

export type Outputs = Readonly<Record<string, HostTensor>>;

export const ints = (x: readonly number[], dims: readonly number[]): HostTensor => ({
  dtype: DType.INT64,
  dims,
  data: BigInt64Array.from(x, BigInt),
});
export const bools = (x: readonly boolean[]): HostTensor => ({
  dtype: DType.BOOL,
  dims: [1, x.length],
  data: Uint8Array.from(x, Number),
});

/** Random embeddings of `count` tokens, the same ones for the same seed. */
export function embeddings(count: number, width: number, seed: number): HostTensor {
  const random = seededRandom(seed);
  return {
    dtype: DType.FLOAT,
    dims: [1, count, width],
    data: Float32Array.from({ length: count * width }, () => random.normal()),
  };
}

/** Tokens one after the other. */
export function joinTokens(parts: readonly HostTensor[]): HostTensor {
  const [first] = parts;
  const rows = parts.reduce((n, t) => n + t.dims[1]!, 0);
  const data = new (first!.data.constructor as new (n: number) => NumericArray)(
    parts.reduce((n, t) => n + t.data.length, 0),
  );
  let at = 0;
  for (const t of parts) {
    data.set(t.data as never, at);
    at += t.data.length;
  }
  return { dtype: first!.dtype, dims: [1, rows, ...first!.dims.slice(2)], data };
}

const toHalf = (t: HostTensor): HostTensor =>
  t.dtype === DType.FLOAT16
    ? t
    : { ...t, dtype: DType.FLOAT16, data: Uint16Array.from(t.data as Float32Array, numberToHalf) };
const fromHalf = (t: HostTensor): HostTensor =>
  t.dtype !== DType.FLOAT16
    ? t
    : { ...t, dtype: DType.FLOAT, data: Float32Array.from(t.data as Uint16Array, halfToNumber) };

/** A decoder with the caches of the steps so far. */
class DecoderRun {
  readonly #model: Model;
  readonly #session: ExecSession;
  readonly #cacheShape: readonly number[];
  #caches: Record<string, HostTensor> = {};
  #seen = 0;

  private constructor(model: Model, session: ExecSession, cacheShape: readonly number[]) {
    this.#model = model;
    this.#session = session;
    this.#cacheShape = cacheShape;
  }

  /** @param size of a head, where the model does not say it */
  static async open(model: Model, size = 16): Promise<DecoderRun> {
    const shape = model.graph.inputs.find((v) => v.name.startsWith('past'))!.type!.shape!;
    const known = (axis: number, or: number): number => (typeof shape[axis] === 'number' ? shape[axis] : or);
    return new DecoderRun(model, await plainExecutor.open(model), [1, known(1, 1), 0, known(3, size)]);
  }

  async step({ tokens, image, extra = {} }: Step): Promise<Outputs> {
    const count = tokens.dims[1]!;
    const feeds: Record<string, HostTensor> = {};
    for (const { name } of this.#model.graph.inputs) {
      if (extra[name]) feeds[name] = extra[name];
      else if (/^past/.test(name)) feeds[name] = this.#caches[name] ?? this.#empty();
      else if (/mask$/.test(name) && name !== IMAGE_MASK)
        feeds[name] = ints(new Array<number>(this.#seen + count).fill(1), [1, this.#seen + count]);
      else if (/position/.test(name))
        feeds[name] = ints(
          Array.from({ length: count }, (_, i) => this.#seen + i),
          [1, count],
        );
      else if (name === IMAGE_MASK) feeds[name] = bools(image);
      else feeds[name] = tokens;
    }
    for (const { name, type } of this.#model.graph.inputs)
      if (type?.elemType === DType.FLOAT16) feeds[name] = toHalf(feeds[name]!);
    const outputs = await this.#session.run(feeds);
    this.#seen += count;
    // Outputs of caches come in the order of their inputs, whatever they are called.
    const presents = this.#model.graph.outputs.filter((v) => v.name.startsWith('present'));
    const pasts = this.#model.graph.inputs.filter((v) => v.name.startsWith('past'));
    for (const [i, past] of pasts.entries()) this.#caches[past.name] = outputs[presents[i]!.name]!;
    return Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, fromHalf(t)]));
  }

  /** Forgets all steps. */
  reset(): this {
    this.#caches = {};
    this.#seen = 0;
    return this;
  }

  #empty(): HostTensor {
    return { dtype: DType.FLOAT, dims: this.#cacheShape, data: new Float32Array(0) };
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

export const open = (model: Model): Promise<DecoderRun> => DecoderRun.open(model);

/** Runs steps one after the other, from empty caches on. */
export async function answer(run: DecoderRun, steps: readonly Step[]): Promise<Outputs[]> {
  run.reset();
  const out: Outputs[] = [];
  for (const s of steps) out.push(await run.step(s));
  return out;
}

/** Rows of the logits [1, S, V] by place. */
export const rowOf = (logits: HostTensor, at: number): Float32Array => {
  const width = logits.dims[2]!;
  const row = at < 0 ? logits.dims[1]! + at : at;
  return (logits.data as Float32Array).subarray(row * width, (row + 1) * width);
};

/** Largest difference of two rows. */
export const gap = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Infinity);
