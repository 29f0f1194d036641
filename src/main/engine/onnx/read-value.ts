import type { Dim, Value, ValueType } from '../ir/index.ts';
import { readEntry } from './read-tensor.ts';
import type { ReadContext } from './read-context.ts';
import { DIM, SHAPE, TENSOR_TYPE, TYPE, VALUE_INFO } from './schema.ts';
import { BYTES, Spans, VARINT, type WireReader } from './wire-reader.ts';

/** The parts of a ValueInfoProto. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ValueType | null;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly unknown: Uint8Array | null;
}

const MAX_RANK = 1024;
export const NO_METADATA: ReadonlyMap<string, string> = new Map();

/** Reads the ValueInfoProto that fills the reader's present message. */
export function readValueInfo(r: WireReader, ctx: ReadContext): ValueInfo {
  let name = '',
    docString = '',
    type: ValueType | null = null,
    metadata: Map<string, string> | null = null;
  const unknown = new Spans();
  ctx.spend(3);
  while (r.next()) {
    if (r.wire !== BYTES) unknown.keep(r);
    else if (r.field === VALUE_INFO.name) name = r.string();
    else if (r.field === VALUE_INFO.docString) docString = r.text();
    else if (r.field === VALUE_INFO.type) {
      const outer = r.enter();
      type = readType(r, ctx);
      r.leave(outer);
    } else if (r.field === VALUE_INFO.metadata) metadata = addEntry(r, metadata, ctx);
    else unknown.keep(r);
  }
  return { name, type, docString, metadata: metadata ?? NO_METADATA, unknown: unknown.take(r) };
}

/** Reads a StringStringEntryProto under the cursor into a map, which is created if needed. */
export function addEntry(r: WireReader, into: Map<string, string> | null, ctx: ReadContext): Map<string, string> {
  ctx.spend(2);
  const outer = r.enter();
  const [k, v] = readEntry(r);
  r.leave(outer);
  return (into ?? new Map<string, string>()).set(k, v);
}

export function applyInfo(v: Value, info: ValueInfo): void {
  v.type = info.type;
  v.docString = info.docString;
  v.metadata = info.metadata;
  v.unknown = info.unknown;
}

/** Plain tensor types become {elemType, shape}. Any other TypeProto is kept encoded as a whole. */
function readType(r: WireReader, ctx: ReadContext): ValueType {
  const start = r.pos,
    end = r.end;
  let elemType = 0,
    shape: Dim[] | undefined,
    plain = true,
    seen = false;
  while (r.next()) {
    if (!r.is(TYPE.tensor, BYTES) || seen) {
      plain = false;
      r.skip();
      continue;
    }
    seen = true;
    const outer = r.enter();
    while (r.next()) {
      if (r.is(TENSOR_TYPE.elemType, VARINT)) elemType = r.int32();
      else if (r.is(TENSOR_TYPE.shape, BYTES) && !shape) {
        const o = r.enter();
        const s = readShape(r, ctx);
        shape = s.dims;
        plain &&= s.plain;
        r.leave(o);
      } else {
        plain = false;
        r.skip();
      }
    }
    r.leave(outer);
  }
  plain &&= seen;
  return {
    elemType,
    ...(shape ? { shape } : {}),
    ...(plain ? {} : { raw: r.slice(start, end) }),
  };
}

function readShape(r: WireReader, ctx: ReadContext): { dims: Dim[]; plain: boolean } {
  const dims: Dim[] = [];
  let plain = true;
  while (r.next()) {
    if (!r.is(SHAPE.dim, BYTES)) {
      plain = false;
      r.skip();
      continue;
    }
    ctx.spend(1);
    const outer = r.enter();
    let dim: Dim = null;
    while (r.next()) {
      if (r.is(DIM.value, VARINT)) {
        const n = r.int64AsNumber();
        // Old exporters wrote -1 for an unknown size.
        dim = n < 0 ? null : n;
      } else if (r.is(DIM.param, BYTES)) dim = r.string() || null;
      else {
        plain = false;
        r.skip();
      }
    }
    r.leave(outer);
    dims.push(dim);
    if (dims.length > MAX_RANK) r.invalid(`a shape has more than ${MAX_RANK} axes`);
  }
  return { dims, plain };
}
