/**
 * Decodes an ONNX model to plain data for comparisons, with a protobuf parser that is independent
 * of the codec. The order of fields, packing, and empty optional fields do not count. value_info
 * and metadata are sets.
 */

/**
 * Fields that are messages (with the name of their entry), lists of numbers, or meaningful when
 * empty.
 */
interface Shape {
  readonly messages?: Record<number, string>;
  readonly numbers?: readonly number[];
  /** Fixed-width list elements, in bytes. */
  readonly fixed?: Record<number, number>;
  readonly sets?: readonly number[];
  readonly keepEmpty?: readonly number[];
}

const SCHEMA: Record<string, Shape> = {
  model: { messages: { 7: 'graph', 8: 'opset', 14: 'entry', 20: 'opaque', 25: 'opaque' }, sets: [8, 14] },
  opset: {},
  entry: {},
  opaque: {},
  graph: {
    messages: { 1: 'node', 5: 'tensor', 11: 'info', 12: 'info', 13: 'info', 14: 'opaque', 15: 'sparse', 16: 'entry' },
    sets: [13, 16],
  },
  node: { messages: { 5: 'attribute', 9: 'entry' }, keepEmpty: [1, 2], sets: [5, 9] },
  attribute: {
    messages: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
    numbers: [8],
    fixed: { 7: 4 },
    keepEmpty: [4, 9],
  },
  tensor: {
    messages: { 13: 'entry', 16: 'entry' },
    numbers: [1, 5, 7, 11],
    fixed: { 4: 4, 10: 8 },
    keepEmpty: [6, 9],
    sets: [13],
  },
  sparse: { messages: { 1: 'tensor', 2: 'tensor' }, numbers: [3] },
  info: { messages: { 2: 'type', 4: 'entry' } },
  type: { messages: { 1: 'tensorType' } },
  tensorType: { messages: { 2: 'shape' } },
  shape: { messages: { 1: 'dim' }, keepEmpty: [1] },
  dim: {},
};

export function canonical(bytes: Uint8Array, message = 'model'): unknown {
  const shape = SCHEMA[message]!;
  const fields = new Map<number, unknown[]>();
  let at = 0;
  const varint = (): bigint => {
    let v = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = bytes[at++];
      if (b === undefined) throw new Error('the encoding ends early');
      v |= BigInt(b & 127) << shift;
      if (b < 128) return BigInt.asUintN(64, v);
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint()),
      field = tag >> 3,
      wire = tag & 7;
    const into = fields.get(field) ?? [];
    fields.set(field, into);
    const width = shape.fixed?.[field];
    if (wire === 0) into.push(String(varint()));
    else if (wire !== 2) {
      const n = wire === 1 ? 8 : 4;
      into.push(hex(bytes.subarray(at, at + n)));
      at += n;
    } else {
      const end = Number(varint()) + at;
      const inner = shape.messages?.[field];
      if (shape.numbers?.includes(field)) while (at < end) into.push(String(varint()));
      else if (width) for (; at < end; at += width) into.push(hex(bytes.subarray(at, at + width)));
      else if (inner) into.push(canonical(bytes.subarray(at, end), inner));
      else if (end > at || shape.keepEmpty?.includes(field)) into.push(hex(bytes.subarray(at, end)));
      at = end;
    }
  }
  const out: Record<number, unknown> = {};
  for (const [field, list] of [...fields].sort((a, b) => a[0] - b[0])) {
    if (list.length === 0) continue;
    out[field] = shape.sets?.includes(field)
      ? list.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : list;
  }
  return out;
}

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');
