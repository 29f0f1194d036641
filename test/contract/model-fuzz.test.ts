import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { verifyModel } from '../../src/main/engine/ir/verify.ts';
import { readModel, serializeModel } from '../../src/main/engine/onnx/index.ts';
import { MemorySource } from '../../src/main/engine/onnx/source.ts';
import { SecateurError } from '../../src/shared/contract/errors.ts';
import { assetPath, zooPath } from '../support/assets.ts';
import { random } from '../support/example-model.ts';
import { exoticModel } from '../support/exotic-model.ts';
import { smallNetwork } from '../support/small-network.ts';

/**
 * Files of real exporters are added where available. Small files, so that most mutations hit
 * structure instead of weights.
 */
const real = [
  zooPath('alexnet.onnx'),
  zooPath('resnet18.onnx'),
  zooPath('mobilenet_v2.onnx'),
  assetPath('models/superres_x3.onnx'),
  assetPath('models/resnet8_cifar10.onnx'),
];

const subjects: [string, () => Uint8Array, number][] = [
  ['a model with everything in it', exoticModel, 3000],
  ['a small network', () => serializeModel(smallNetwork(random(1))), 1500],
  ...real.flatMap((p): [string, () => Uint8Array, number][] =>
    p ? [[p.split('/').at(-1)!, () => new Uint8Array(readFileSync(p)), 500]] : [],
  ),
];

/**
 * Seeded mutations: flipped bits, changed bytes, lengthened numbers, removed, duplicated or moved
 * pieces, and truncation.
 */
function mutate(original: Uint8Array, next: () => number): Uint8Array {
  const upTo = (n: number): number => Math.floor(next() * n);
  let b: Uint8Array = original.slice();
  for (let k = 1 + upTo(3); k > 0; k--) {
    const at = upTo(b.length),
      n = 1 + upTo(40);
    switch (upTo(8)) {
      case 0:
        b[at]! ^= 1 << upTo(8);
        break;
      case 1:
        b[at] = upTo(256);
        break;
      case 2:
        b = b.slice(0, at);
        break;
      case 3:
        b = join(b.subarray(0, at), b.subarray(at + n));
        break;
      case 4:
        b = join(b.subarray(0, at + n), b.subarray(at));
        break;
      case 5:
        // A length or count of up to 2^63.
        b = join(
          b.subarray(0, at),
          Uint8Array.from({ length: 1 + upTo(9) }, () => 0x80 | upTo(128)),
          [upTo(128)],
          b.subarray(at + 1),
        );
        break;
      case 6:
        b.copyWithin(upTo(b.length), at, at + n);
        break;
      default:
        b[at] = [0, 1, 0x7f, 0x80, 0xff][upTo(5)]!;
    }
    if (b.length === 0) break;
  }
  return b;
}

function join(...parts: ArrayLike<number>[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

describe('mutated files', () => {
  it.each(subjects)('%s: a sound model or a catalogue error', (name, make, rounds) => {
    const original = make();
    const next = random(name.length * 7919 + original.length);
    let opened = 0,
      refused = 0;
    for (let i = 0; i < rounds; i++) {
      const bytes = mutate(original, next);
      try {
        const model = readModel(bytes, { resolve: () => new MemorySource(new Uint8Array(64)) });
        verifyModel(model);
        for (const v of model.graph.values()) void v.initializer?.strings?.length;
        // A model that was read can be written and read again.
        const again = serializeModel(model);
        expect(Buffer.compare(serializeModel(readModel(again)), again)).toBe(0);
        opened++;
      } catch (e) {
        if (!(e instanceof SecateurError) || e.code === 'internal') throw e;
        refused++;
      }
    }
    // Otherwise the mutations have no effect, or every file fails at once.
    expect(opened).toBeGreaterThan(rounds / 100);
    expect(refused).toBeGreaterThan(rounds / 100);
  });

  it('take no memory to speak of', () => {
    const original = exoticModel();
    const next = random(99);
    const before = process.memoryUsage();
    for (let i = 0; i < 500; i++) {
      try {
        readModel(mutate(original, next));
      } catch (e) {
        expect(e).toBeInstanceOf(SecateurError);
      }
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(200 << 20);
  });
});
