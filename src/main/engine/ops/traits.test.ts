import { describe, expect, it } from 'vitest';
import { attrInt } from '../ir/attribute.ts';
import { elementCount } from '../ir/dtype.ts';
import { Node } from '../ir/node.ts';
import type { OperatorDef } from './contract.ts';
import { allOperators, operatorFor, operatorKeys, readsSizes, traitsOf } from './registry.ts';

const linear = [...allOperators()].filter((o) => o.traits?.linear);

/** The input shapes of each example, with a node that has its attributes. */
function cases(o: OperatorDef) {
  return o.examples.flatMap((e) => {
    const shapes = e.inputs.map((i) => (i === null ? null : i.kind === 'c' ? i.tensor.dims : i.shape));
    if (e.inputs[1]?.kind !== 'w') return [];
    const node = new Node(o.opType, [], [], { attributes: new Map(e.attributes) });
    const out = o.shape({ node, opset: 17, in: (i) => shapes[i] ?? null, out: () => [], constant: () => null })[0]!;
    return [{ name: `${o.opType}, ${e.name}`, node, shapes, weight: shapes[1]!, out }];
  });
}

describe('traits', () => {
  it('describe an operator once, and one without rules has none', () => {
    for (const key of ['RandomNormal', 'If', 'SequenceMap', 'ai.onnx.ml::ZipMap']) {
      expect(operatorKeys()).toContain(key);
      expect(operatorFor(key)).toBeUndefined();
      expect(Object.keys(traitsOf({ key }))).not.toHaveLength(0);
    }
    expect(traitsOf({ key: 'acme::Unheard' })).toEqual({});
  });

  it('tell operators that read sizes from those that read the shape for something else', () => {
    expect(['Shape', 'Size'].map((key) => readsSizes({ key }))).toEqual([true, true]);
    expect(['EyeLike', 'CastLike', 'ArgMax'].map((key) => readsSizes({ key }))).toEqual([false, false, false]);
  });

  it('cover the linear operators', () => {
    expect(linear.map((o) => o.opType).sort()).toEqual(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);
  });

  it.each(linear.flatMap(cases))('give the channels of $name', ({ node, shapes, weight, out }) => {
    const { channelAxis, matrix, outputs, groups } = traitsOf(node).linear!;
    const channels = out.at(channelAxis)!;
    const m = matrix(node, weight);
    if (typeof m !== 'string') {
      expect(m.rows).toBe(channels);
      expect(m.rows * m.columns).toBe(elementCount(weight));
    }
    const told = outputs(node, weight);
    if (told) {
      expect(told.channels).toBe(channels);
      const seen = new Set(Array.from({ length: elementCount(weight) }, (_, e) => told.at(e)));
      expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: channels }, (_, c) => c));
    }
    if (groups) expect(groups(node, shapes[0]![1]!, weight)).toBe(attrInt(node.attributes.get('group'), 1));
  });
});
