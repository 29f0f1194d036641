/**
 * Maps entries of a value to channels of an earlier value, where only rearrangement and a constant factor lie between
 * them. The mapping is measured: the runtime is fed the number c in channel c.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Executor, HostTensor } from '../executor.ts';
import { DType, elementCount } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import { readsOf } from '../ir/reads.ts';
import type { Value } from '../ir/value.ts';
import { extractSubgraph } from '../passes/extract.ts';
import { seededRandom } from '../random.ts';

export interface Channels {
  /** Per slice of the leading axes (all but the last two), the channel of each entry of the last axis. */
  readonly channels: readonly (readonly number[])[];
  /** Factor of every entry. */
  readonly scale: number;
}

/**
 * Null where any other operation lies between.
 * @param axis of the channels of `from`
 */
export async function channelsIn(
  executor: Executor,
  { model, facts }: { readonly model: Model; readonly facts: Facts },
  from: Value,
  axis: number,
  to: Value,
): Promise<Channels | null> {
  const source = facts.get(from);
  const target = facts.get(to);
  if (source?.dtype !== DType.FLOAT || target?.dtype !== DType.FLOAT) return null;
  const sizes = constantsBetween(from, to, facts);
  if (!sizes) return null;
  const width = source.shape[axis]!;
  const inner = elementCount(source.shape.slice(axis + 1));
  const part = extractSubgraph(model, [from, ...sizes], [to]);
  part.graph.inputs.forEach((v, i) => {
    const f = i === 0 ? source : facts.get(sizes[i - 1]!)!;
    v.type = { elemType: f.dtype, shape: f.shape };
  });
  const fixed = Object.fromEntries(sizes.map((v) => [v.name, constantTensor(facts, v)]));
  const session = await executor.open(part, { optimization: 'disabled' });
  try {
    const through = async (value: (channel: number) => number): Promise<Float32Array> => {
      const data = new Float32Array(elementCount(source.shape));
      for (let i = 0; i < data.length; i++) data[i] = value(Math.floor(i / inner) % width);
      const out = await session.run({ ...fixed, [from.name]: { dtype: DType.FLOAT, dims: source.shape, data } });
      return Object.values(out)[0]!.data as Float32Array;
    };
    const zero = await through(() => 0);
    const ones = await through(() => 1);
    const scale = ones[0]!;
    if (!(Math.abs(scale) > 0) || zero.some((x) => x !== 0) || ones.some((x) => x !== scale)) return null;
    const counted = (await through((c) => c)).map((x) => Math.round(x / scale));
    const random = seededRandom(1);
    const noise = Float32Array.from({ length: width }, () => random.normal());
    const seen = await through((c) => noise[c]!);
    if (seen.some((x, i) => !(Math.abs(x - scale * noise[counted[i]!]!) <= 1e-5 * Math.abs(scale)))) return null;
    return slices(counted, target.shape, scale);
  } catch (e) {
    if (e instanceof SecateurError && e.code === 'runtime-rejected') return null;
    throw e;
  } finally {
    await session.release();
  }
}

/** The channels, if equal at every entry of the second-to-last axis, else null. */
function slices(counted: Float32Array, shape: readonly number[], scale: number): Channels | null {
  const [rows, width] = [shape.at(-2)!, shape.at(-1)!];
  const channels: number[][] = [];
  for (let at = 0; at < counted.length; at += rows * width) {
    const list = Array.from(counted.subarray(at, at + width));
    for (let i = 0; i < rows * width; i++) if (counted[at + i] !== list[i % width]) return null;
    channels.push(list);
  }
  return { channels, scale };
}

/** Constant sizes on the way, which are fed unchanged; null where any other value enters. */
function constantsBetween(from: Value, to: Value, facts: Facts): Value[] | null {
  const out = new Set<Value>();
  const seen = new Set<Value>();
  const waiting = [to];
  while (waiting.length) {
    const v = waiting.pop()!;
    if (v === from || seen.has(v) || v.isInitializer) continue;
    seen.add(v);
    if (facts.get(v)?.constant) out.add(v);
    else if (v.producer) waiting.push(...readsOf(v.producer));
    else return null;
  }
  return [...out];
}

function constantTensor(facts: Facts, v: Value): HostTensor {
  const { dtype, shape, constant } = facts.get(v)!;
  const data =
    dtype === DType.INT64
      ? BigInt64Array.from(constant!, (x) => BigInt(Math.trunc(x)))
      : dtype === DType.INT32
        ? Int32Array.from(constant!)
        : dtype === DType.BOOL
          ? Uint8Array.from(constant!)
          : dtype === DType.DOUBLE
            ? Float64Array.from(constant!)
            : Float32Array.from(constant!);
  return { dtype, dims: shape, data };
}
