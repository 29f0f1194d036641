/** Conversions between the engine's host tensors and the runtime's, without copying the data. */
import * as ort from 'onnxruntime-node';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { HostTensor } from '../engine/executor.ts';
import { DType, dtypeName } from '../engine/ir/dtype.ts';
import type { NumericArray } from '../engine/ir/tensor.ts';

const NAME_OF: Record<number, ort.Tensor.Type> = {
  [DType.FLOAT]: 'float32',
  [DType.UINT8]: 'uint8',
  [DType.INT8]: 'int8',
  [DType.UINT16]: 'uint16',
  [DType.INT16]: 'int16',
  [DType.INT32]: 'int32',
  [DType.INT64]: 'int64',
  [DType.BOOL]: 'bool',
  [DType.FLOAT16]: 'float16',
  [DType.DOUBLE]: 'float64',
  [DType.UINT32]: 'uint32',
  [DType.UINT64]: 'uint64',
};
const DTYPE_OF = new Map<string, number>(Object.entries(NAME_OF).map(([k, v]) => [v, Number(k)]));
DTYPE_OF.set('uint4', DType.UINT4);
DTYPE_OF.set('int4', DType.INT4);
DTYPE_OF.set('string', DType.STRING);

// Node 24 has Float16Array. The runtime's JavaScript side would use it, but its native side (1.30) cannot read it: "not
// enough space: expected 4, got 0". The runtime looks for the class once, at its first tensor, so the first tensor is
// made while the class is hidden.
const scope = globalThis as { Float16Array?: unknown };
const half = Object.getOwnPropertyDescriptor(scope, 'Float16Array');
if (half?.configurable) {
  delete scope.Float16Array;
  try {
    new ort.Tensor('float32', new Float32Array(1), [1]);
  } finally {
    Object.defineProperty(scope, 'Float16Array', half);
  }
}

/** DType number of the runtime's type name; UNDEFINED for unknown names. */
export const dtypeOf = (name: string): number => DTYPE_OF.get(name) ?? DType.UNDEFINED;

/** True for element types that sessions accept and return (bfloat16 and float8 are not). */
export const isTransferable = (dtype: number): boolean => dtype in NAME_OF;

export function toOrt(t: HostTensor): ort.Tensor {
  const name = NAME_OF[t.dtype];
  if (!name)
    throw new SecateurError('runtime-rejected', { reason: `inputs of type ${dtypeName(t.dtype)} are not supported` });
  return new ort.Tensor(name as 'float32', t.data as Float32Array, t.dims);
}

export function fromOrt(t: ort.Tensor): HostTensor {
  return { dtype: dtypeOf(t.type), dims: t.dims, data: t.data as unknown as NumericArray };
}
