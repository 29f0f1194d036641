import { SecateurError } from '../../../shared/contract/errors.ts';
import { DType, byteSize, elementCount } from '../ir/index.ts';
import { EncodedTensor, countEntries, typedEntries, typedFieldOf, type TensorData } from './encoded-tensor.ts';
import { checkLocation } from './external.ts';
import type { ReadContext } from './read-context.ts';
import { ENTRY, TENSOR } from './schema.ts';
import { BYTES, FIXED32, FIXED64, Spans, VARINT, type WireReader } from './wire-reader.ts';

const MAX_RANK = 1024;
/** Limit for tensors without data: they may be filled later, and more could not be written to a file. */
const MAX_MISSING = 2 ** 31;

/** Reads the TensorProto that fills the reader's present message. The data is located and checked, not read. */
export function readTensor(r: WireReader, ctx: ReadContext): EncodedTensor {
  const dims: number[] = [];
  const typed = new Spans(),
    extra = new Spans();
  let dtype = 0,
    name = '',
    docString = '',
    raw: { start: number; length: number } | null = null,
    location = 0;
  let external: Map<string, string> | null = null;
  ctx.spend(2);
  while (r.next()) {
    const { field, wire } = r;
    if (field === TENSOR.dims && wire === VARINT) dims.push(r.int64AsNumber());
    else if (field === TENSOR.dims && wire === BYTES) {
      const outer = r.enter();
      while (r.pos < r.end && dims.length <= MAX_RANK) dims.push(r.int64AsNumber());
      r.leave(outer);
    } else if (field === TENSOR.dataType && wire === VARINT) dtype = r.int32();
    else if (field === TENSOR.name && wire === BYTES) name = r.string();
    else if (field === TENSOR.docString && wire === BYTES) docString = r.text();
    else if (field === TENSOR.dataLocation && wire === VARINT) location = r.int32();
    else if (field === TENSOR.rawData && wire === BYTES) {
      const length = r.length();
      raw = { start: r.pos, length };
      r.pos += length;
    } else if (field === TENSOR.externalData && wire === BYTES) {
      external ??= new Map();
      const outer = r.enter();
      const [key, value] = readEntry(r);
      if (external.size < 64) external.set(key, value);
      r.leave(outer);
    } else if (isTypedData(field, wire)) typed.keep(r);
    else extra.keep(r);
    if (dims.length > MAX_RANK) r.invalid(`tensor ${name} has more than ${MAX_RANK} axes`);
  }
  const bytes = claimedBytes(name, dtype, dims);
  const made = (data: TensorData, byteLength: number) =>
    new EncodedTensor({ dtype, dims, byteLength, data, name, docString, extra: extra.take(r) });
  const lie = (have: string): never =>
    r.invalid(`tensor ${name} of shape [${dims.join(', ')}] and type ${dtype} does not fit its data of ${have}`);

  if (location === 1) {
    const { data, length } = locateExternal(name, external ?? new Map(), bytes, ctx);
    if (bytes !== undefined && length !== bytes) lie(`${length} bytes`);
    return made(data, length);
  }
  if (raw && (raw.length > 0 || typed.isEmpty)) {
    if (dtype === DType.STRING) return r.invalid(`tensor ${name} holds strings as raw data`);
    if (bytes !== undefined && raw.length !== bytes) lie(`${raw.length} bytes`);
    return made({ kind: 'range', source: r.source, start: raw.start, external: false }, raw.length);
  }
  const field = typedFieldOf(dtype);
  if (!typed.isEmpty && field === undefined) return lie('an element type that has no such field');
  if (field !== undefined && (!typed.isEmpty || bytes === 0 || dtype === DType.STRING)) {
    const data = { kind: 'typed' as const, source: r.source, ranges: typed.ranges };
    const n = countEntries(data, field, r);
    if (n !== typedEntries(dtype, dims)) lie(`${n} entries`);
    return made(data, bytes ?? 0);
  }
  if ((bytes ?? 0) > MAX_MISSING)
    throw new SecateurError('model-too-large', { reason: `tensor ${name} declares ${bytes} bytes and has none` });
  return made({ kind: 'missing' }, bytes ?? 0);
}

/** Reads the StringStringEntryProto that fills the reader's present message. */
export function readEntry(r: WireReader): [string, string] {
  let key = '',
    value = '';
  while (r.next()) {
    if (r.is(ENTRY.key, BYTES)) key = r.text();
    else if (r.is(ENTRY.value, BYTES)) value = r.text();
    else r.skip();
  }
  return [key, value];
}

function isTypedData(field: number, wire: number): boolean {
  switch (field) {
    case TENSOR.floatData:
      return wire === BYTES || wire === FIXED32;
    case TENSOR.doubleData:
      return wire === BYTES || wire === FIXED64;
    case TENSOR.int32Data:
    case TENSOR.int64Data:
    case TENSOR.uint64Data:
      return wire === BYTES || wire === VARINT;
    case TENSOR.stringData:
      return wire === BYTES;
    default:
      return false;
  }
}

/** Bytes required by shape and type; undefined for strings and unknown types. */
function claimedBytes(name: string, dtype: number, dims: readonly number[]): number | undefined {
  if (dims.some((d) => d < 0))
    throw new SecateurError('model-invalid', { reason: `tensor ${name} has a negative axis` });
  const n = dims.includes(0) ? 0 : elementCount(dims);
  if (!(n < 2 ** 48)) throw new SecateurError('model-too-large', { reason: `tensor ${name} claims ${n} elements` });
  return byteSize(dtype, n === 0 ? [0] : dims);
}

function locateExternal(
  tensor: string,
  entries: ReadonlyMap<string, string>,
  want: number | undefined,
  ctx: ReadContext,
): { data: TensorData; length: number } {
  const location = entries.get('location') ?? '';
  checkLocation(tensor, location);
  const whole = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const n = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(n))
      throw new SecateurError('model-invalid', { reason: `the external ${key} of tensor ${tensor} is not a number` });
    return n;
  };
  const start = whole('offset') ?? 0;
  const declared = whole('length');
  const source = ctx.external(tensor, location);
  if (!source) return { data: { kind: 'unresolved', location }, length: declared ?? want ?? 0 };
  const length = declared ?? want ?? Math.max(0, source.size - start);
  if (start + length > source.size)
    throw new SecateurError('external-data-range', {
      tensor,
      location,
      offset: start,
      end: start + length,
      size: source.size,
    });
  return { data: { kind: 'range', source, start, external: true }, length };
}
