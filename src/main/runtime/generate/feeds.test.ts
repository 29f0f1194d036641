import { describe, expect, it } from 'vitest';
import type { PortShape } from '../../engine/families/contract.ts';
import { DType } from '../../engine/ir/dtype.ts';
import { feederFor, type Step } from './feeds.ts';

const component = { id: 'decoder', role: 'decoder' as const, file: 'd.onnx', inputs: [], outputs: [] };
const step: Step = { ids: [7, 8, 9], embeds: null, seen: 4, isImage: [true, true, false], all: false };
const states = { dtype: DType.FLOAT, dims: [1, 5, 2], data: new Float32Array(10) };

const port = (name: string, axes: number, dtype?: number): PortShape => ({
  name,
  shape: Array.from({ length: axes }, (_, i) => `axis${i}`),
  ...(dtype !== undefined && { dtype }),
});
const fed = (p: PortShape, s = step): { dtype: number; dims: readonly number[]; values: number[] } => {
  const { dtype, dims, data } = feederFor(component, p, { encoder_hidden_states: states })(s);
  return { dtype, dims, values: Array.from(data as ArrayLike<number>, Number) };
};

describe('feederFor', () => {
  it.each([
    [port('input_ids', 2), DType.INT64, [1, 3], [7, 8, 9]],
    [port('decoder_input_ids', 2, DType.INT32), DType.INT32, [1, 3], [7, 8, 9]],
    [port('attention_mask', 2), DType.INT64, [1, 7], [1, 1, 1, 1, 1, 1, 1]],
    [port('attention_mask', 2, DType.BOOL), DType.BOOL, [1, 7], [1, 1, 1, 1, 1, 1, 1]],
    [port('position_ids', 2), DType.INT64, [1, 3], [4, 5, 6]],
    [port('cache_position', 1), DType.INT64, [3], [4, 5, 6]],
    [port('use_cache_branch', 1), DType.BOOL, [1], [1]],
    [port('image_mask', 2), DType.BOOL, [1, 3], [1, 1, 0]],
    [port('num_logits_to_keep', 0), DType.INT64, [], [1]],
    [port('encoder_attention_mask', 2), DType.INT64, [1, 5], [1, 1, 1, 1, 1]],
  ])('feeds $name', (p, dtype, dims, values) => {
    expect(fed(p)).toEqual({ dtype, dims, values });
  });

  it('keeps all logits where all are wanted, and has no cache in the first run', () => {
    expect(fed(port('num_logits_to_keep', 1), { ...step, all: true })).toMatchObject({ dims: [1], values: [0] });
    expect(fed(port('use_cache_branch', 1), { ...step, seen: 0 }).values).toEqual([0]);
  });

  it('passes outputs of the encoder on', () => {
    expect(feederFor(component, port('encoder_hidden_states', 3), { encoder_hidden_states: states })(step)).toBe(
      states,
    );
  });

  it.each([
    [port('position_ids', 3), /3 axes, and 2 are known/],
    [port('attention_mask', 4), /4 axes, and 2 are known/],
    [port('mystery', 2), /its name is unknown/],
  ])('refuses $name', (p, message) => {
    expect(() => feederFor(component, p, {})).toThrow(message);
  });
});
