import type { Model } from './ir/model.ts';
import type { NumericArray } from './ir/tensor.ts';

/** A tensor as runtimes accept and return it. float16/bfloat16 hold bits in a Uint16Array, bool a Uint8Array. */
export interface HostTensor {
  /** DType number. */
  readonly dtype: number;
  readonly dims: readonly number[];
  readonly data: NumericArray;
}

/**
 * Tensors by name in the order of `names`; names without a tensor are left out. An object's own key order is not
 * reliable: JavaScript puts keys that look like whole numbers first, and exporters use value names such as 98 and 42.
 */
export function inOrder(
  tensors: Readonly<Record<string, HostTensor>>,
  names: readonly string[],
): (readonly [name: string, tensor: HostTensor])[] {
  return names.flatMap((name) => (Object.hasOwn(tensors, name) ? [[name, tensors[name]!] as const] : []));
}

/** `n` entries of the first axis, as a view. */
export function rowsAt(t: HostTensor, at: number, n: number): HostTensor {
  const per = t.data.length / t.dims[0]!;
  return { ...t, dims: [n, ...t.dims.slice(1)], data: t.data.subarray(at * per, (at + n) * per) as NumericArray };
}

/** Concatenates tensors along the first axis, with a copy. The other dimensions must be equal. */
export function joinRows(parts: readonly HostTensor[]): HostTensor {
  const [first] = parts;
  const total = parts.reduce((n, t) => n + t.data.length, 0);
  const data = new (first!.data.constructor as new (n: number) => NumericArray)(total);
  let at = 0;
  for (const t of parts) {
    data.set(t.data as never, at);
    at += t.data.length;
  }
  const rows = parts.reduce((n, t) => n + t.dims[0]!, 0);
  return { ...first!, dims: [rows, ...first!.dims.slice(1)], data };
}

export interface SessionOptions {
  /** Execution provider, default 'cpu'. */
  readonly provider?: string;
  /** Intra-op threads, default 1. */
  readonly threads?: number;
  /**
   * Whether the runtime plans its memory layout in the first run, default true. Later runs gain a little, and the
   * second allocates the new block. Not worth it for a few runs.
   */
  readonly memoryPattern?: boolean;
  /** 'all' (default), 'extended', 'basic' or 'disabled'. */
  readonly optimization?: 'all' | 'extended' | 'basic' | 'disabled';
}

export interface ExecSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Element type (DType number) of every output that is a tensor. */
  readonly outputDtypes: ReadonlyMap<string, number>;
  /** Runs once. `fetches` defaults to all outputs. */
  run(feeds: Readonly<Record<string, HostTensor>>, fetches?: readonly string[]): Promise<Record<string, HostTensor>>;
  release(): Promise<void>;
}

/** Runs graphs that the engine emits. The engine never imports a runtime; workers inject this. */
export interface Executor {
  open(model: Model, options?: SessionOptions): Promise<ExecSession>;
  /**
   * Models that run one after another as one session on a separate thread. Each reads inputs by name, and outputs of
   * the models before it. Sessions on different threads run concurrently. Absent where threads are not available.
   */
  readonly openThread?: (models: readonly Model[], options?: SessionOptions) => Promise<ExecSession>;
}
