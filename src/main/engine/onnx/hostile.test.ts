import { describe, expect, it } from 'vitest';
import {
  attribute,
  bytes,
  exoticModel,
  info,
  model,
  msg,
  node,
  num,
  tensor,
  text,
  varint,
} from '../../../../test/support/exotic-model.ts';
import type { ErrorCode } from '../../../shared/contract/errors.ts';
import { readModel } from './index.ts';
import { MemorySource } from './source.ts';

const code = (c: ErrorCode) => expect.objectContaining({ name: 'SecateurError', code: c });
const refuses = (b: Uint8Array, c: ErrorCode): void => {
  expect(() => readModel(b)).toThrow(code(c));
};
const out = info(12, 'y');
const relu = node('Relu', ['x'], ['y']);

describe('files that are not models', () => {
  it.each([
    ['an empty file', ''],
    ['a page', '<!DOCTYPE html><html>'],
    ['an archive', 'PK\x03\x04\x14\x00\x00\x00'],
    ['JSON', '{"a": 1}'],
    ['a pointer to a large file', 'version https://git-lfs.github.com/spec/v1\noid sha256:0'],
  ])('%s', (_, s) => {
    refuses(
      Uint8Array.from(s, (c) => c.charCodeAt(0)),
      'model-not-protobuf',
    );
  });
  it('a protobuf without a graph', () => refuses(Uint8Array.from(num(1, 8)), 'model-not-protobuf'));
});

describe('broken encodings', () => {
  it('every truncation is refused', () => {
    const whole = exoticModel();
    for (let n = 0; n < whole.length; n += 7) {
      try {
        const m = readModel(whole.slice(0, n));
        // Only whole fields after the graph were cut off.
        expect(m.graph.name).toBe('graph');
      } catch (e) {
        expect(['model-truncated', 'model-not-protobuf']).toContain((e as { code: string }).code);
      }
    }
  });
  it('a length beyond its message', () => {
    refuses(
      model(node('Relu', ['x'], ['y'], [0x1a, 100]), info(11, 'x'), out, text(2, 'x'.repeat(200))),
      'model-invalid',
    );
  });
  it('a length near 2^63', () =>
    refuses(Uint8Array.from([...num(1, 8), 0x3a, ...varint(2n ** 63n - 1n)]), 'model-invalid'));
  it('a number of eleven bytes', () => {
    refuses(Uint8Array.from([...num(1, 8), 0x28, ...new Array(11).fill(0x80), 0]), 'model-not-protobuf');
  });
  it('a name that is not UTF-8', () =>
    refuses(model(node('Relu', ['x'], ['y']), msg(11, bytes(1, [255, 254])), out), 'model-invalid'));
});

describe('claims', () => {
  const claim = (dims: number[], ...data: number[][]) =>
    model(msg(5, tensor('w', 1, dims, ...data)), relu, info(11, 'x'), out);
  it('10^9 elements with little data', () => refuses(claim([1e9], bytes(9, [1, 2, 3])), 'model-invalid'));
  it('10^9 elements without data', () => refuses(claim([1e9]), 'model-too-large'));
  it('a product beyond all numbers', () => {
    refuses(claim([2 ** 40, 2 ** 40, 2 ** 40, 2 ** 40], bytes(9, [1])), 'model-too-large');
  });
  it('a negative axis', () => refuses(claim([-4], bytes(9, [1, 2, 3, 4])), 'model-invalid'));
  it('10^9 typed entries', () => refuses(claim([1e9], bytes(4, [0, 0, 0, 0])), 'model-invalid'));
  it('too many axes', () => refuses(claim(new Array(2000).fill(1)), 'model-invalid'));
  it('millions of empty parts in a small file', () => {
    const one = node('A', [], []);
    const body = new Uint8Array(one.length * 2_500_000);
    for (let at = 0; at < body.length; at += one.length) body.set(one, at);
    refuses(join([...num(1, 8), 0x3a, ...varint(body.length)], body), 'model-too-large');
  });
});

const join = (head: number[], body: Uint8Array): Uint8Array => {
  const b = new Uint8Array(head.length + body.length);
  b.set(head);
  b.set(body, head.length);
  return b;
};

describe('graphs that make no sense', () => {
  it('a cycle', () =>
    refuses(
      model(node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b']), info(11, 'x'), info(12, 'b')),
      'model-invalid',
    ));
  it('a node that reads itself', () => refuses(model(node('Relu', ['y'], ['y']), out), 'model-invalid'));
  it('a cycle through a subgraph', () => {
    const inner = [node('Neg', ['y'], ['i']), info(12, 'i')].flat();
    refuses(
      model(node('If', ['c'], ['y'], attribute('then_branch', 5, msg(6, inner))), info(11, 'c', 9), out),
      'model-invalid',
    );
  });
  it.each([
    ['two outputs', [node('Relu', ['x'], ['y']), node('Neg', ['x'], ['y']), info(11, 'x')]],
    ['two inputs', [relu, info(11, 'x'), info(11, 'x')]],
    ['an input and an output', [node('Relu', ['x'], ['y']), info(11, 'x'), info(11, 'y')]],
    ['two initializers', [relu, info(11, 'x'), msg(5, tensor('w', 1, [0])), msg(5, tensor('w', 1, [0]))]],
  ])('a name twice: %s', (_, parts) => refuses(model(...parts, out), 'model-invalid'));
  it('a name nothing makes', () => refuses(model(node('Relu', ['nothing'], ['y']), out), 'model-invalid'));
  it('an output nothing makes', () => refuses(model(info(12, 'nothing')), 'model-invalid'));
  it('a node without a type', () => refuses(model(msg(1, text(2, 'y')), out), 'model-invalid'));
  it('an attribute twice', () => {
    refuses(
      model(node('Relu', ['x'], ['y'], attribute('a', 2, num(3, 1)), attribute('a', 2, num(3, 2))), info(11, 'x'), out),
      'model-invalid',
    );
  });
  it('subgraphs nested without end', () => {
    let inner = [node('Relu', ['x'], ['i']), info(12, 'i')].flat();
    for (let i = 0; i < 60; i++)
      inner = [node('If', ['c'], ['i'], attribute('then_branch', 5, msg(6, inner))), info(12, 'i')].flat();
    refuses(model(...[inner, info(11, 'x'), info(11, 'c', 9)]), 'model-invalid');
  });
  it('a chain of 20,000 nodes in reverse order is sorted', () => {
    const nodes = Array.from({ length: 20_000 }, (_, i) => node('Relu', [`v${19_999 - i}`], [`v${20_000 - i}`]));
    const m = readModel(model(...nodes, info(11, 'v0'), info(12, 'v20000')));
    expect(m.graph.firstNode!.inputs[0]!.name).toBe('v0');
  });
});

describe('external data', () => {
  const external = (entries: Record<string, string>) =>
    model(
      msg(
        5,
        tensor('w', 1, [4], ...Object.entries(entries).map(([k, v]) => msg(13, text(1, k), text(2, v))), num(14, 1)),
      ),
      relu,
      info(11, 'x'),
      out,
    );
  const resolve = () => new MemorySource(new Uint8Array(20));

  it.each(['/etc/passwd', '../x', 'a/../../x', '..\\x', 'C:\\x', '\\\\host\\x', '', 'a\0b'])(
    'refuses the location %j',
    (location) => {
      expect(() => readModel(external({ location }), { resolve })).toThrow(code('external-data-outside'));
      refuses(external({ location }), 'external-data-outside');
    },
  );
  it('checks the range, the length and the numbers', () => {
    const read = (e: Record<string, string>) => () => readModel(external({ location: 'd', ...e }), { resolve });
    expect(read({ offset: '8' })).toThrow(code('external-data-range'));
    expect(read({ offset: '8', length: '16' })).toThrow(code('external-data-range'));
    expect(read({ offset: '99999999999999999999' })).toThrow(code('model-invalid'));
    expect(read({ offset: '-1' })).toThrow(code('model-invalid'));
    expect(read({ length: '12' })).toThrow(code('model-invalid'));
    expect(read({ offset: '4', length: '16' })).not.toThrow();
  });
  it('without a folder, says so when the data is asked for', () => {
    const m = readModel(external({ location: 'd' }));
    expect(() => m.graph.findValue('w')!.initializer!.bytes()).toThrow(code('external-data-missing'));
  });
});
