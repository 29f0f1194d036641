/** A model, encoded by hand, that uses rarely seen parts of ONNX. A runtime would not accept it. */

const utf8 = new TextEncoder();

export type Encoded = number[];

export const varint = (n: number | bigint): Encoded => {
  const out: Encoded = [];
  let v = BigInt.asUintN(64, BigInt(n));
  for (; v > 127n; v >>= 7n) out.push(Number(v & 127n) | 128);
  out.push(Number(v));
  return out;
};
export const num = (field: number, n: number | bigint): Encoded => [...varint(field << 3), ...varint(n)];
export const bytes = (field: number, b: Iterable<number>): Encoded => {
  const a = [...b];
  return [...varint((field << 3) | 2), ...varint(a.length), ...a];
};
export const text = (field: number, s: string): Encoded => bytes(field, utf8.encode(s));
export const msg = (field: number, ...parts: Encoded[]): Encoded => bytes(field, parts.flat());
const f32 = (x: number): Encoded => [...new Uint8Array(Float32Array.of(x).buffer)];
const f64 = (x: number): Encoded => [...new Uint8Array(Float64Array.of(x).buffer)];
export const float = (field: number, x: number): Encoded => [...varint((field << 3) | 5), ...f32(x)];

export const node = (opType: string, inputs: string[], outputs: string[], ...rest: Encoded[]): Encoded =>
  msg(1, ...inputs.map((s) => text(1, s)), ...outputs.map((s) => text(2, s)), text(4, opType), ...rest);
export const attribute = (name: string, type: number, ...rest: Encoded[]): Encoded =>
  msg(5, text(1, name), ...rest, num(20, type));
/** The fields of a TensorProto. */
export const tensor = (name: string, dtype: number, dims: number[], ...rest: Encoded[]): Encoded =>
  [...dims.map((d) => num(1, d)), num(2, dtype), text(8, name), ...rest].flat();
export const info = (field: number, name: string, elemType = 1, dims: (number | string)[] = [1]): Encoded =>
  msg(
    field,
    text(1, name),
    msg(
      2,
      msg(1, num(1, elemType), msg(2, ...dims.map((d) => msg(1, typeof d === 'number' ? num(1, d) : text(2, d))))),
    ),
  );
export const model = (...graphParts: Encoded[]): Uint8Array =>
  Uint8Array.from([...num(1, 10), ...msg(7, ...graphParts), ...msg(8, num(2, 21))]);

/** One initializer of every element type, in each encoding the type may have. */
function tensors(): Encoded[] {
  const out: Encoded[] = [];
  const add = (dtype: number, n: number, ...rest: Encoded[]): void => {
    out.push(msg(5, tensor(`t${dtype}_${out.length}`, dtype, [n], ...rest)));
  };
  const raw = (n: number): Encoded =>
    bytes(
      9,
      Array.from({ length: n }, (_, i) => (i * 37 + 1) & 255),
    );
  const widths: Record<number, number> = {
    1: 4,
    2: 1,
    3: 1,
    4: 2,
    5: 2,
    6: 4,
    7: 8,
    9: 1,
    10: 2,
    11: 8,
    12: 4,
    13: 8,
    14: 8,
    15: 16,
    16: 2,
    17: 1,
    18: 1,
    19: 1,
    20: 1,
    24: 1,
  };
  for (const [dtype, width] of Object.entries(widths)) add(Number(dtype), 3, raw(3 * width));
  for (const dtype of [21, 22, 23]) add(dtype, 3, raw(2));
  for (const dtype of [25, 26]) add(dtype, 5, raw(2));
  add(99, 3, raw(7)); // a future type
  add(1, 2, bytes(4, [...f32(1.5), ...f32(-0)]));
  add(1, 2, float(4, 1.5), float(4, NaN));
  add(14, 1, bytes(4, [...f32(1), ...f32(2)]));
  add(11, 1, bytes(10, f64(Math.PI)));
  add(15, 1, bytes(10, [...f64(1), ...f64(2)]));
  for (const dtype of [2, 3, 4, 5, 6, 9, 10, 16, 17, 18, 19, 20])
    add(dtype, 2, bytes(5, [...varint(1), ...varint(dtype === 3 || dtype === 5 || dtype === 6 ? -1 : 60)]));
  for (const dtype of [21, 22, 23]) add(dtype, 3, bytes(5, [...varint(0x21), ...varint(3)]));
  add(6, 2, num(5, 7), num(5, -7));
  add(7, 2, bytes(7, [...varint(-(2n ** 63n)), ...varint(2n ** 63n - 1n)]));
  add(7, 1, num(7, 5));
  add(12, 1, bytes(11, varint(2 ** 32 - 1)));
  add(13, 1, bytes(11, varint(2n ** 64n - 1n)));
  add(8, 3, text(6, 'a'), text(6, ''), bytes(6, [255, 0, 254]));
  add(1, 0);
  add(7, 0, bytes(9, []));
  add(1, 1, float(4, 2), text(12, 'documented'), msg(16, text(1, 'k'), text(2, 'v')), text(77, 'later'));
  return out;
}

/**
 * A subgraph that reads `x` and `w` of the outer graph, and contains another subgraph that does so
 * too.
 */
const branch = (name: string, depth: number): Encoded =>
  [
    node('Add', ['x', 'w'], [`${name}_sum`]),
    depth
      ? node(
          'If',
          ['c'],
          [`${name}_out`],
          attribute('then_branch', 5, msg(6, branch(`${name}t`, depth - 1))),
          attribute('else_branch', 5, msg(6, branch(`${name}e`, 0))),
        )
      : node('Mul', [`${name}_sum`, 'w'], [`${name}_out`]),
    text(2, name),
    info(12, `${name}_out`, 1, ['N', 3]),
    info(13, `${name}_sum`, 1, ['N', 3]),
  ].flat();

const sparse = (name: string): Encoded =>
  [msg(1, tensor(name, 1, [1], float(4, 3))), msg(2, tensor('', 7, [1], num(7, 2))), num(3, 5)].flat();

export function exoticModel(): Uint8Array {
  const kinds = node(
    'Everything',
    ['x', '', 'w', ''],
    ['k0', '', 'k2'],
    text(3, 'every kind'),
    text(6, 'a node with documentation'),
    text(7, 'com.example'),
    text(8, 'second'),
    msg(9, text(1, 'key'), text(2, 'value')),
    msg(10, text(1, 'device')),
    text(99, 'a field of the future'),
    attribute('f', 1, float(2, 0.1)),
    attribute('i', 2, num(3, -5)),
    attribute('s', 3, bytes(4, [0, 255, 65])),
    attribute('empty', 3, bytes(4, [])),
    attribute('t', 4, msg(5, tensor('inner', 1, [1], float(4, 9), text(12, 'doc')))),
    attribute('fs', 6, float(7, 1), float(7, 2)),
    attribute('fp', 6, bytes(7, [...f32(1), ...f32(2)])),
    attribute('is', 7, num(8, 1), num(8, -1)),
    attribute('ip', 7, bytes(8, [...varint(3), ...varint(2n ** 62n)])),
    attribute('none', 7),
    attribute('ss', 8, text(9, 'a'), text(9, '')),
    attribute('ts', 9, msg(10, tensor('', 7, [], num(7, 1))), msg(10, tensor('', 7, [0]))),
    attribute('gs', 10, msg(11, branch('g1', 0)), msg(11, branch('g2', 0))),
    attribute('sp', 11, msg(22, sparse(''))),
    attribute('tp', 13, msg(14, msg(4, msg(1, msg(1, num(1, 1)))))),
    attribute('unknown', 50, text(60, 'x')),
    attribute('doc', 2, num(3, 1), text(13, 'documented'), text(61, 'future')),
    attribute('ref', 2, text(21, 'outer_name')),
  );
  return Uint8Array.from(
    [
      num(1, 10),
      text(2, 'producer'),
      text(3, '1.2.3'),
      text(4, 'org.example'),
      num(5, -3),
      text(6, 'model documentation \u{1f600}'),
      msg(
        7,
        kinds,
        node(
          'If',
          ['c'],
          ['y'],
          attribute('then_branch', 5, msg(6, branch('t', 2))),
          attribute('else_branch', 5, msg(6, branch('e', 0))),
        ),
        node('SplitToSequence', ['x'], ['seq']),
        text(2, 'graph'),
        text(10, 'graph documentation'),
        ...tensors(),
        msg(5, tensor('w', 1, [1], float(4, 2))),
        msg(15, sparse('sparse_w')),
        info(11, 'x', 1, ['N', 3]),
        msg(
          11,
          text(1, 'c'),
          msg(2, msg(1, num(1, 9), msg(2))),
          text(3, 'condition'),
          msg(4, text(1, 'a'), text(2, 'b')),
          text(50, 'z'),
        ),
        msg(
          11,
          text(1, 'denoted'),
          msg(2, msg(1, num(1, 1), msg(2, msg(1, num(1, 3), text(3, 'DATA_CHANNEL')), msg(1))), text(6, 'IMAGE')),
        ),
        msg(11, text(1, 'any'), msg(2, msg(1, num(1, 1)))),
        msg(11, text(1, 'map'), msg(2, msg(5, num(1, 7), msg(2, msg(1, num(1, 1)))))),
        msg(11, text(1, 'optional'), msg(2, msg(9, msg(1, msg(1, num(1, 1)))))),
        info(12, 'y', 1, ['N', 3]),
        msg(12, text(1, 'seq'), msg(2, msg(4, msg(1, msg(1, num(1, 1)))))),
        info(13, 'k0', 1, [2, 2]),
        msg(13, text(1, 'k2'), text(3, 'only documentation')),
        msg(14, text(1, 'x'), msg(2, text(1, 'SCALE_TENSOR'), text(2, 'w'))),
        msg(16, text(1, 'graph key'), text(2, 'graph value')),
        text(70, 'a graph field of the future'),
      ),
      msg(8, num(2, 21)),
      msg(8, text(1, 'com.example'), num(2, 3)),
      msg(14, text(1, 'meta'), text(2, 'data')),
      msg(20, msg(1, text(2, 'init')), msg(3, text(1, 'a'), text(2, 'b'))),
      msg(25, text(1, 'Fn'), text(4, 'a'), text(5, 'b'), text(10, 'com.example'), text(13, 'o')),
      msg(26, text(1, 'devices')),
      text(90, 'a model field of the future'),
    ].flat(),
  );
}
