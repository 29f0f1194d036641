import { describe, expect, it } from 'vitest';
import { fusedDecoder, plainDecoder, SMALL } from '../../../../../../test/support/small-decoder.ts';
import { int } from '../../../ir/attribute.ts';
import { DType } from '../../../ir/dtype.ts';
import { Graph } from '../../../ir/graph.ts';
import { Model } from '../../../ir/model.ts';
import { GraphBuilder } from '../../../autodiff/builder.ts';
import { findDecoder } from './find.ts';
import { isSkipped } from './ports.ts';
import { recommendedCuts } from './stage.ts';
import type { Decoder } from './types.ts';

const found = (model: Model): Decoder => {
  const decoder = findDecoder(model);
  if (isSkipped(decoder)) throw new Error(decoder.reason);
  return decoder;
};
const reason = (model: Model): string => {
  const decoder = findDecoder(model);
  return isSkipped(decoder) ? decoder.reason : 'it was found';
};
const FIRST = 'the first layer keeps the whole cache';

describe('a decoder of single operators', () => {
  const decoder = found(plainDecoder());

  it('has its inputs, and its layers in order', () => {
    expect([decoder.tokens, decoder.mask, decoder.positions].map((v) => v?.name)).toEqual(
      ['inputs_embeds', 'attention_mask', 'position_ids'],
    ); // prettier-ignore
    expect(decoder.layers.map((l) => l.blocked)).toEqual([FIRST, null, null, null]);
    expect(decoder.layers.map((l) => l.attention.past.map((v) => v.name))).toEqual(
      [0, 1, 2, 3].map((i) => [`past_key_values.${i}.key`, `past_key_values.${i}.value`]),
    );
  });

  it('enters a layer through the sum of the residual stream', () => {
    for (const { entry, frontier } of decoder.layers.slice(1)) {
      expect(entry!.key).toBe('Add');
      expect(frontier).toEqual([entry!.output()]);
    }
  });

  it('has queries and keys before and after their positions', () => {
    for (const { query, key } of decoder.layers.map((l) => l.attention)) {
      expect([query.before, key.before].map((v) => v!.producer!.key)).toEqual(['Transpose', 'Transpose']);
      expect([query.after, key.after].map((v) => v.producer!.key)).toEqual(['Add', 'Add']);
    }
  });

  it('has them behind the norm of each head', () => {
    const { query } = found(plainDecoder({ headNorm: true })).layers[1]!.attention;
    expect(query.before!.producer!.key).toBe('Div');
  });
});

it('a decoder of fused operators enters a layer through the sum and its norm', () => {
  const decoder = found(fusedDecoder());
  expect(decoder.positions).toBeNull();
  expect(decoder.layers.map((l) => l.frontier.length)).toEqual([0, 2, 2, 2]);
  expect(
    decoder.layers.every((l) => l.attention.rotatesInside && l.attention.query.before === l.attention.query.end),
  ).toBe(true);
});

it('an input that says how many tokens get logits is none of the ports', () => {
  const decoder = found(plainDecoder({ odd: 'number of logits' }));
  expect(decoder.layers.map((l) => l.blocked)).toEqual([FIRST, null, null, null]);
});

it('recommended cuts are at their shares of the layers', () => {
  const cuts = (layers: number, criterion: string): [number, number][] =>
    recommendedCuts(found(plainDecoder({ layers })), criterion).map((c) => [
      c.layer,
      (c.keep as { ratio: number }).ratio,
    ]);
  expect(cuts(12, 'pyramiddrop')).toEqual([[3, 0.5], [6, 0.25], [9, 0.125]]); // prettier-ignore
  expect(cuts(12, 'fastv')).toEqual([[1, 0.5]]);
  expect(cuts(2, 'feather')).toEqual([[1, 0.09]]);
  expect(cuts(2, 'other')).toEqual([]);
});

describe('refusals', () => {
  it.each([
    ['window', 'the mask has a window'],
    ['positions in the mask', 'the mask compares positions'],
    ['no positions', 'it has no positions'],
    ['positions from zero', 'not counted from the end of the cache'],
    ['bypass', 'more than one way'],
  ] as const)('%s', (odd, why) => {
    expect(reason(plainDecoder({ odd }))).toContain(why);
  });

  it('layers that take their size from an earlier layer', () => {
    const { layers } = found(plainDecoder({ odd: 'size of an earlier layer' }));
    for (const { blocked } of layers.slice(1)) expect(blocked).toContain('which is in an earlier layer');
  });

  it('positions with three axes', () => {
    const model = plainDecoder();
    const ids = model.graph.findValue('position_ids')!;
    ids.type = { elemType: DType.INT64, shape: [3, 'batch', 'seq'] };
    expect(reason(model)).toContain('positions have 3 axes');
  });

  it('a window inside the operator', () => {
    const model = fusedDecoder();
    for (const n of model.graph.nodes())
      if (n.key === 'com.microsoft::GroupQueryAttention') n.attributes.set('local_window_size', int(4));
    expect(reason(model)).toContain('its window counts tokens');
  });

  it('states that are no cache, before and behind the first attention', () => {
    const model = plainDecoder();
    const state = model.graph.addInput('past.conv', { elemType: DType.FLOAT, shape: ['batch', SMALL.width] });
    const b = new GraphBuilder(model.graph, model.opset);
    const [logits] = model.graph.outputs;
    model.graph.outputs[0] = b.add(logits!, b.reduceMean(state, [0, 1], true));
    expect(reason(model)).toContain('past.conv is neither tokens, mask, positions nor a cache');
    const first = found(plainDecoder());
    const before = first.model.graph.addInput('past.conv', { elemType: DType.FLOAT, shape: ['batch', 1, SMALL.width] });
    const readers = first.tokens.uses();
    const at = new GraphBuilder(first.model.graph, first.model.opset);
    at.before = first.model.graph.firstNode;
    const sum = at.add(first.tokens, before);
    for (const { node, index } of readers) node.setInput(index, sum);
    expect(reason(first.model)).toContain('depend on inputs_embeds, past.conv');
  });

  it('a graph without attention, and old operator sets', () => {
    const empty = new Model(new Graph());
    empty.opsets.set('', 13);
    expect(reason(empty)).toBe('no attention reads a cache');
    expect(reason(plainDecoder({ opset: 12 }))).toContain('operator set 12 is older');
  });
});
