import { describe, expect, it } from 'vitest';
import { canonical } from '../../../../test/support/canonical.ts';
import {
  attribute,
  exoticModel,
  info,
  model,
  msg,
  node,
  num,
  tensor,
  text,
} from '../../../../test/support/exotic-model.ts';
import { DType, attrInt, toNumbers, typedArray } from '../ir/index.ts';
import { cloneModel } from '../ir/clone.ts';
import { verifyModel } from '../ir/verify.ts';
import { readModel, serializeModel, writeModelChunks, type ByteSource } from './index.ts';

/** A source outside memory: every read is a copy, and reads are counted. */
class CountingSource implements ByteSource {
  readonly data: Uint8Array;
  bytesRead = 0;
  constructor(data: Uint8Array) {
    this.data = data;
  }
  get size(): number {
    return this.data.length;
  }
  read(offset: number, length: number): Uint8Array {
    this.bytesRead += length;
    return this.data.slice(offset, offset + length);
  }
}

describe('a model with everything in it', () => {
  const bytes = exoticModel();

  it('says the same after a load and a save', () => {
    const m = readModel(bytes);
    verifyModel(m);
    expect(canonical(serializeModel(m))).toEqual(canonical(bytes));
  });

  it('says the same when read from a file-like source', () => {
    expect(serializeModel(readModel(new CountingSource(bytes)))).toEqual(serializeModel(readModel(bytes)));
  });

  it('says the same after a copy', () => {
    const { model: copy } = cloneModel(readModel(bytes));
    verifyModel(copy);
    expect(canonical(serializeModel(copy))).toEqual(canonical(bytes));
  });

  it('decodes each encoding of each type', () => {
    const g = readModel(bytes).graph;
    const of = (dtype: number) => [...g.initializers].map((v) => v.initializer!).filter((t) => t?.dtype === dtype);
    expect(toNumbers(of(DType.FLOAT)[1]!)).toEqual([1.5, -0]);
    expect(toNumbers(of(DType.FLOAT)[2]!)).toEqual([1.5, NaN]);
    expect(toNumbers(of(DType.INT8)[1]!)).toEqual([1, -1]);
    expect(toNumbers(of(DType.UINT8)[1]!)).toEqual([1, 60]);
    expect(toNumbers(of(DType.INT32)[2]!)).toEqual([7, -7]);
    expect([...(typedArray(of(DType.INT64)[1]!) as BigInt64Array)]).toEqual([-(2n ** 63n), 2n ** 63n - 1n]);
    expect([...(typedArray(of(DType.UINT64)[1]!) as BigUint64Array)]).toEqual([2n ** 64n - 1n]);
    expect([...of(DType.INT4)[1]!.bytes()]).toEqual([0x21, 3]);
    expect(toNumbers(of(DType.DOUBLE)[1]!)).toEqual([Math.PI]);
    expect(of(DType.STRING)[0]!.strings!.map((s) => [...s])).toEqual([[97], [], [255, 0, 254]]);
    for (const t of g.initializers)
      if (t.initializer) expect(t.initializer.bytes().length).toBe(t.initializer.byteLength);
  });

  it('links subgraphs to the values around them', () => {
    const g = readModel(bytes).graph;
    const w = g.findValue('w')!;
    // The first node reads w directly and in its two graphs; the If reads it in every branch.
    expect(w.consumers().filter((n) => n.graph !== g).length).toBeGreaterThan(4);
    const everything = g.firstNode!;
    expect(everything.inputs.map((v) => v?.name ?? null)).toEqual(['x', null, 'w', null]);
    expect(everything.outputs.map((v) => v.name)).toEqual(['k0', '', 'k2']);
    expect(attrInt(everything.attributes.get('i'), 0)).toBe(-5);
  });
});

describe('reading', () => {
  it('puts unsorted nodes in order, with what subgraphs read', () => {
    const inner = [node('Neg', ['b'], ['i']), text(2, 'sub'), info(12, 'i')].flat();
    const m = readModel(
      model(
        node(
          'If',
          ['c'],
          ['y'],
          attribute('then_branch', 5, msg(6, inner)),
          attribute('else_branch', 5, msg(6, inner)),
        ),
        node('Relu', ['a'], ['b']),
        node('Relu', ['x'], ['a']),
        info(11, 'x'),
        info(11, 'c', 9),
        info(12, 'y'),
      ),
    );
    expect([...m.graph.nodes()].map((n) => n.outputs[0]!.name)).toEqual(['a', 'b', 'y']);
    verifyModel(m);
  });

  it('keeps initializers that are inputs both', () => {
    const bytes = model(
      node('Add', ['x', 'w'], ['y']),
      msg(5, tensor('w', 1, [1], [...text(9, 'abcd')])),
      info(11, 'x'),
      info(11, 'w'),
      info(12, 'y'),
    );
    const m = readModel(bytes);
    const w = m.graph.findValue('w')!;
    expect([w.isGraphInput, w.isInitializer, m.graph.initializers.has(w)]).toEqual([true, true, true]);
    expect(canonical(serializeModel(m))).toEqual(canonical(bytes));
  });

  it('reads tensors without data, and says so when the data is asked for', () => {
    const bytes = model(
      msg(5, tensor('w', 1, [512], text(12, 'random mean=0'))),
      node('Neg', ['w'], ['y']),
      info(12, 'y'),
    );
    const m = readModel(bytes);
    const w = m.graph.findValue('w')!;
    expect(w.docString).toBe('random mean=0');
    expect(() => w.initializer!.bytes()).toThrow(expect.objectContaining({ code: 'model-invalid' }));
    expect(canonical(serializeModel(m))).toEqual(canonical(bytes));
  });

  it('reads only the structure of a large file, and tensor data when asked for', () => {
    const data = new Uint8Array(4 << 20).fill(7);
    const m = readModel(exoticModel());
    const w = m.graph.addInitializer('big', {
      dtype: DType.UINT8,
      dims: [data.length],
      byteLength: data.length,
      bytes: () => data,
      chunks: () => [data],
    });
    const source = new CountingSource(serializeModel(m));
    const again = readModel(source);
    expect(source.bytesRead).toBeLessThan(data.length / 2);
    expect(Buffer.compare(again.graph.findValue(w.name)!.initializer!.bytes(), data)).toBe(0);
    expect(source.bytesRead).toBeGreaterThan(data.length);
  });

  it('takes attributes without a type (IR version 1) and unpacked or packed lists alike', () => {
    const m = readModel(
      model(
        node('A', [], ['y'], msg(5, text(1, 'k'), num(8, 3), num(8, 4)), msg(5, text(1, 'f'), [0x15, 0, 0, 0, 64])),
        info(12, 'y'),
      ),
    );
    const a = m.graph.firstNode!.attributes;
    expect(a.get('k')).toEqual({ kind: 'ints', value: [3n, 4n] });
    expect(a.get('f')).toEqual({ kind: 'float', value: 2 });
  });
});

describe('writing', () => {
  it('puts large initializers into a data file, aligned, each tensor once', () => {
    const m = readModel(exoticModel());
    const t = { dtype: DType.UINT8, dims: [3 << 20], byteLength: 3 << 20 };
    const data = new Uint8Array(3 << 20).map((_, i) => i % 251);
    const shared = { ...t, bytes: () => data, chunks: () => [data] };
    m.graph.addInitializer('one', shared);
    m.graph.addInitializer('two', shared);
    m.graph.addInitializer('small', {
      ...shared,
      dims: [2],
      byteLength: 2,
      bytes: () => data.slice(0, 2),
      chunks: () => [data.slice(0, 2)],
    });
    const plan = writeModelChunks(m, { externalData: { location: 'd/x.data', thresholdBytes: 1000 } });
    const file = Buffer.concat([...plan.model]),
      side = new Uint8Array(Buffer.concat([...plan.data!]));
    expect(file.length).toBe(plan.modelBytes);
    expect(side.length).toBe(plan.dataBytes);
    expect(side.length).toBe(3 << 20);
    const asked: string[] = [];
    const again = readModel(file, {
      resolve: (location) => {
        asked.push(location);
        return new CountingSource(side);
      },
    });
    expect(asked).toEqual(['d/x.data']);
    expect(Buffer.compare(again.graph.findValue('two')!.initializer!.bytes(), data)).toBe(0);
    // With the external data embedded again, the model equals the original.
    expect(canonical(serializeModel(again))).toEqual(canonical(serializeModel(m)));
  });

  it('goes to a data file by itself above 2 GiB, and refuses to be one array', () => {
    const m = readModel(exoticModel());
    const gib = 2 ** 30;
    for (const name of ['a', 'b'])
      m.graph.addInitializer(name, {
        dtype: DType.UINT8,
        dims: [gib],
        byteLength: gib,
        bytes: () => new Uint8Array(gib),
        chunks: () => [],
      });
    const plan = writeModelChunks(m);
    expect(plan.modelBytes).toBeLessThan(100_000);
    expect(plan.dataBytes).toBe(2 * gib);
    expect(() => serializeModel(m)).toThrow(expect.objectContaining({ code: 'model-over-2gib' }));
  });
});
