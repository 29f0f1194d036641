import { describe, expect, it } from 'vitest';
import type { OutputReading } from '../../../shared/model/job.ts';
import { int } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import { Graph } from '../ir/graph.ts';
import { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { outputMeanings, type Evidence } from './meaning.ts';

type Emit = (g: Graph, x: Value) => Value;
const op =
  (type: string, more: Parameters<Graph['emit']>[2] = {}): Emit =>
  (g, x) =>
    g.emit(type, [x], more)[0]!;
const gemm: Emit = (g, x) => g.emit('Gemm', [x, g.addInitializer('w', f32([1], [1, 1]))])[0]!;
const chain =
  (...ops: Emit[]): Emit =>
  (g, x) =>
    ops.reduce((v, o) => o(g, v), x);
/** x / ||x||, in the form that exporters write. */
const unit: Emit = (g, x) => {
  const [length] = g.emit('ReduceL2', [x]);
  const [clipped] = g.emit('Clip', [length!]);
  const [wide] = g.emit('Expand', [clipped!, g.addInitializer('s', f32([1], [1]))]);
  return g.emit('Div', [x, wide!])[0]!;
};
const softmaxByHand: Emit = (g, x) => {
  const [e] = g.emit('Exp', [x]);
  const [sum] = g.emit('ReduceSum', [e!]);
  return g.emit('Div', [e!, sum!])[0]!;
};

function meaningOf(end: Emit, name: string, dims: number[], more: Partial<Evidence> = {}, input = [1, 3, 64, 64]) {
  const graph = new Graph();
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: input });
  const y = end(graph, x);
  y.name = name;
  graph.outputs.push(y);
  const model = new Model(graph);
  const dtype = name.startsWith('int') ? DType.INT64 : DType.FLOAT;
  return outputMeanings(model, {
    shapeOf: () => ({ dims, dtype }),
    inputs: [{ name: 'x', dims: input }],
    ...more,
  }).get(name)!;
}

describe('what an output means', () => {
  const cases: [string, Emit, string, number[], OutputReading, Partial<Evidence>?, number[]?][] = [
    ['Softmax', chain(gemm, op('Softmax')), 'y', [1, 10], 'classes'],
    ['LogSoftmax', chain(gemm, op('LogSoftmax')), 'y', [1, 10], 'classes'],
    ['a Softmax in pieces', chain(gemm, softmaxByHand), 'y', [1, 10], 'classes'],
    ['logits by name', gemm, 'logits', [1, 10], 'classes'],
    ['labels that fit', gemm, 'y', [1, 10], 'classes', { largestLabel: 9 }],
    ['class names', gemm, 'y', [1, 10], 'classes', { classNames: 10 }],
    ['as many as ImageNet', gemm, 'y', [1, 1000], 'classes'],
    ['ArgMax', chain(gemm, op('ArgMax')), 'int', [1], 'classes'],
    ['nothing', gemm, 'y', [1, 10], 'numbers'],
    ['unit length', chain(gemm, unit), 'y', [1, 128], 'embedding'],
    ['unit length, whatever the labels', chain(gemm, unit), 'y', [1, 10], 'embedding', { largestLabel: 9 }],
    ['a name', gemm, 'image_embeds', [1, 512], 'embedding'],
    ['pooled features', chain(op('GlobalAveragePool'), op('Flatten')), 'y', [1, 64], 'embedding'],
    ['one number', gemm, 'logits', [1, 1], 'numbers'],
    ['coordinates', gemm, 'landmarks', [1, 10], 'numbers'],
    ['a mask', op('Sigmoid'), 'y', [1, 1, 64, 64], 'map'],
    ['a mask of a grey picture', op('Sigmoid'), 'y', [1, 1, 64, 64], 'map', {}, [1, 1, 64, 64]],
    ['a picture', op('Clip'), 'y', [1, 3, 192, 192], 'image'],
    ['depth', op('Relu'), 'y', [1, 1, 64, 64], 'numbers'],
    ['a class per pixel', op('Softmax', { attributes: [['axis', int(1)]] }), 'y', [1, 21, 64, 64], 'map'],
    ['features', op('Relu'), 'y', [1, 16, 32, 32], 'numbers'],
    ['detections', op('Concat'), 'y', [1, 3549, 85], 'boxes', { layouts: { boxes: ['y'] } }],
    ['tokens', gemm, 'y', [1, 16, 64], 'numbers'],
  ];
  it.each(cases)('%s', (_, end, name, dims, reading, more, input) => {
    expect(meaningOf(end, name, dims, more, input)).toMatchObject({ name, reading, source: 'inferred' });
  });

  it('says when it guesses, and how to correct it', () => {
    const m = meaningOf(gemm, 'y', [1, 10]);
    expect(m).toMatchObject({ guessed: true, why: expect.stringContaining('--output y=classes') as string });
    expect(meaningOf(chain(gemm, op('Softmax')), 'y', [1, 10]).guessed).toBeUndefined();
  });

  it('reads as it is told, and refuses what cannot be', () => {
    const given = (reading: OutputReading, dims: number[]) => meaningOf(gemm, 'y', dims, { given: { y: reading } });
    expect(given('embedding', [1, 10])).toMatchObject({ reading: 'embedding', source: 'given' });
    expect(given('classes', [1, 10])).toMatchObject({ reading: 'classes', axis: 1 });
    expect(() => given('map', [1, 10])).toThrow(/y cannot be read as map/);
    expect(() => given('boxes', [1, 10])).toThrow(/cannot be read as boxes/);
    expect(() => given('image', [1, 7, 8, 8])).toThrow(/1 or 3 channels/);
    expect(() => meaningOf(gemm, 'y', [1, 10], { given: { z: 'map' } })).toThrow(/no output z; the outputs are y/);
  });
});
