import { describe, expect, it } from 'vitest';
import type { ComponentShape } from '../families/contract.ts';
import { cachesOf } from './caches.ts';
import { contextOf, partsOf } from './parts.ts';

const port = (name: string, ...shape: (number | string)[]) => ({ name, shape });
const component = (
  id: string,
  inputs: ComponentShape['inputs'],
  outputs: ComponentShape['outputs'],
): ComponentShape => ({
  id,
  role: 'other',
  file: `${id}.onnx`,
  inputs,
  outputs,
});
const pkg = (...components: ComponentShape[]) => ({ components, configs: {}, network: 'unknown' as const });

const vision = component('vision', [port('pixel_values', 'b', 3, 8, 8)], [port('image_features', 4, 8)]);
const encoder = component('encoder', [port('pixel_values', 'b', 3, 8, 8)], [port('last_hidden_state', 'b', 't', 8)]);
const tokens = component('embed_tokens', [port('input_ids', 'b', 's')], [port('inputs_embeds', 'b', 's', 8)]);
const decoder = component('decoder', [port('inputs_embeds', 'b', 's', 8)], [port('logits', 'b', 's', 9)]);
const writer = component(
  'writer',
  [port('input_ids', 'b', 's'), port('encoder_hidden_states', 'b', 't', 8)],
  [port('logits', 'b', 's', 9)],
);

describe('partsOf', () => {
  it('tells merged, crossed and text packages apart', () => {
    expect(partsOf(pkg(vision, tokens, decoder))).toMatchObject({ kind: 'merged', encoder: vision, embedding: tokens });
    expect(partsOf(pkg(encoder, writer))).toMatchObject({ kind: 'crossed', encoder, decoder: writer });
    const text = component('model', [port('input_ids', 'b', 's')], [port('logits', 'b', 's', 9)]);
    expect(partsOf(pkg(text))).toMatchObject({ kind: 'text', encoder: null });
  });

  it('finds the two towers of a dual encoder beside a file of both', () => {
    const image = component('vision_model', [port('pixel_values', 'b', 3, 8, 8)], [port('image_embeds', 'b', 4)]);
    const text = component('text_model', [port('input_ids', 'b', 's')], [port('text_embeds', 'b', 4)]);
    const both = component('model', [...image.inputs, ...text.inputs], [...image.outputs, ...text.outputs]);
    expect(partsOf(pkg(both, text, image))).toMatchObject({ kind: 'dual', image, text });
  });

  it('uses a decoder for the first run and one with a cache for the others', () => {
    const past = component(
      'with_past',
      [...writer.inputs, port('past_key_values.0.key', 'b', 1, 'p', 8)],
      [port('logits', 'b', 's', 9), port('present.0.key', 'b', 1, 't', 8)],
    );
    expect(partsOf(pkg(encoder, past, writer))).toMatchObject({ decoder: writer, next: past });
  });

  it.each([
    ['no component makes them from tokens', pkg(vision, decoder)],
    ['no input of writer takes the outputs of vision', pkg(vision, writer)],
    ['no component makes them from a picture', pkg(writer)],
    ['enter one component', pkg(component('all', [...vision.inputs, ...tokens.inputs], decoder.outputs))],
    ['no decoder that returns logits', pkg(component('unet', [port('sample', 'b', 4, 8, 8)], [port('out', 'b')]))],
    ['several decoders: decoder, second', pkg(tokens, decoder, { ...decoder, id: 'second' })],
  ])('refuses where %s', (reason, shape) => {
    expect(() => partsOf(shape)).toThrow(reason);
  });
});

describe('contextOf', () => {
  it('matches names, and encoder_hidden_states with the states', () => {
    const two = component('e', [], [port('encoder_features', 1, 'h', 'w', 8), port('encoder_mask', 1, 'h', 'w')]);
    expect(contextOf('encoder_mask', two)).toBe('encoder_mask');
    expect(contextOf('encoder_hidden_states', encoder)).toBe('last_hidden_state');
    expect(contextOf('input_ids', encoder)).toBeNull();
  });
});

describe('cachesOf', () => {
  const cached = (shape: (number | string)[], ...outputs: string[]): ComponentShape =>
    component(
      'd',
      [port('past_key_values.0.key', ...shape)],
      outputs.map((name) => port(name, 'b')),
    );
  it('reads each shape by itself, with unknown sizes from the configuration', () => {
    const config = { configs: { 'config.json': { num_key_value_heads: 2, head_dim: 16 } } };
    expect(cachesOf(cached(['b', 'heads', 'past', 'dim'], 'present.0.key'), { ...pkg(), ...config })).toEqual([
      { past: 'past_key_values.0.key', present: 'present.0.key', empty: [1, 2, 0, 16], crossed: false },
    ]);
  });
  it.each([
    ['returns none that continues it', cached(['b', 2, 'past', 8], 'present.1.key')],
    ['32 fixed places', cached(['b', 2, 32, 8], 'present.0.key')],
    ['is a window', cached(['b', 2, 'past_sliding_length', 8], 'present.0.key')],
    ['unknown size dim', cached(['b', 2, 'past', 'dim'], 'present.0.key')],
  ])('refuses a cache that %s', (reason, decoder) => {
    expect(() => cachesOf(decoder, pkg())).toThrow(reason);
  });
});
