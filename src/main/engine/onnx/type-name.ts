import { dtypeName } from '../ir/dtype.ts';
import type { ValueType } from '../ir/value.ts';
import { TENSOR_TYPE } from './schema.ts';
import { MemorySource } from './source.ts';
import { BYTES, VARINT, WireReader } from './wire-reader.ts';

/**
 * Kinds of TypeProto other than tensors, by field. All have their element as field 1, except that maps have the key
 * there and the value as field 2.
 */
const KINDS = new Map([
  [4, 'sequence'],
  [5, 'map'],
  [7, 'opaque'],
  [8, 'sparse_tensor'],
  [9, 'optional'],
]);
/** Maximum nesting of types. No legitimate type is deeper. */
const DEEPEST = 8;

/** Name of a declared non-tensor type, such as `sequence(map(int64, float32))`; null for tensors. */
export function nonTensorName(type: ValueType | null): string | null {
  if (!type?.raw) return null;
  const name = nameOf(new WireReader(new MemorySource(type.raw)), 0);
  return name.startsWith('tensor') ? null : name;
}

function nameOf(r: WireReader, depth: number): string {
  let name = 'tensor';
  while (r.next()) {
    const kind = KINDS.get(r.field);
    const tensor = r.field === 1;
    if (r.wire !== BYTES || (!kind && !tensor) || depth > DEEPEST) {
      r.skip();
      continue;
    }
    const outer = r.enter();
    if (tensor || kind === 'sparse_tensor') name = `${kind ?? 'tensor'}(${elementOf(r)})`;
    else if (kind === 'opaque') name = kind;
    else name = `${kind}(${partsOf(r, depth)})`;
    while (r.next()) r.skip();
    r.leave(outer);
  }
  return name;
}

function elementOf(r: WireReader): string {
  let dtype = 0;
  while (r.next())
    if (r.is(TENSOR_TYPE.elemType, VARINT)) dtype = r.int32();
    else r.skip();
  return dtypeName(dtype);
}

function partsOf(r: WireReader, depth: number): string {
  const parts: string[] = [];
  while (r.next())
    if (r.is(1, VARINT)) parts.push(dtypeName(r.int32()));
    else if (r.wire === BYTES) {
      const outer = r.enter();
      parts.push(nameOf(r, depth + 1));
      r.leave(outer);
    } else r.skip();
  return parts.join(', ');
}
