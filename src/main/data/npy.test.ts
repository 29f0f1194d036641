import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DType } from '../engine/ir/dtype.ts';
import { encodeNpy, openNpy, parseNpy, parseNpyHeader } from './npy.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secateur-npy-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A file as numpy would write it, in any version and order. */
function file(header: string, data: Uint8Array, version = 1): Buffer {
  const size = version === 1 ? 2 : 4,
    head = Buffer.alloc(8 + size);
  head.write('\x93NUMPY', 'latin1');
  head[6] = version;
  if (version === 1) head.writeUInt16LE(header.length, 8);
  else head.writeUInt32LE(header.length, 8);
  return Buffer.concat([head, Buffer.from(header, 'latin1'), data]);
}
const bytes = (a: ArrayBufferView): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);

it('writes what it reads, with data on a 64-byte boundary', () => {
  const data = Float32Array.of(1.5, -2, 3, 4, 5, 6);
  const encoded = encodeNpy({ dtype: DType.FLOAT, dims: [2, 3], data });
  expect(parseNpyHeader(encoded, 'x').offset % 64).toBe(0);
  expect(parseNpy(encoded, 'x').data).toEqual(data);
  expect(parseNpy(encodeNpy({ dtype: DType.INT64, dims: [], data: BigInt64Array.of(7n) }), 'x').shape).toEqual([]);
});

it('reads versions 1 to 3, big-endian and column-major data', async () => {
  const a = Int32Array.of(0, 1, 2, 3, 4, 5);
  const header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }\n";
  for (const v of [1, 2, 3]) expect(parseNpy(file(header, bytes(a), v), 'x').data).toEqual(a);
  const big = Buffer.from(bytes(a)).swap32();
  expect(parseNpy(file(header.replace('<', '>'), big), 'x').data).toEqual(a);
  const column = Int32Array.of(0, 3, 1, 4, 2, 5);
  const path = join(dir, 'f.npy');
  await writeFile(path, file(header.replace('False', 'True'), bytes(column)));
  const f = await openNpy(path);
  expect(await f.rows([1, 0])).toEqual(Int32Array.of(3, 4, 5, 0, 1, 2));
});

it.each([
  [
    'a truncated file',
    file("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }\n", new Uint8Array(4)),
    /needs 5 bytes/,
  ],
  [
    'a size that lies',
    file("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 9), }\n", new Uint8Array(4)),
    /bytes of data/,
  ],
  [
    'pickled objects',
    file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", new Uint8Array(8)),
    /not a plain number/,
  ],
  [
    'records',
    file("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }\n", new Uint8Array(4)),
    /records/,
  ],
  ['another format', Buffer.from('hello world, this is text'), /not a \.npy file/],
  ['an unknown version', file("{'descr': '|u1'}", new Uint8Array(0), 9), /version 9/],
])('refuses %s', (_, content, message) => {
  expect(() => parseNpy(content, 'x')).toThrow(message);
});
