import { describe, expect, it } from 'vitest';
import { runOnce } from '../../../../test/support/prune.ts';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { randomTensor } from '../../runtime/random-inputs.ts';
import { GraphBuilder } from '../autodiff/builder.ts';
import { DType, Model, f32, float, ints, str, type Attribute, type Value } from '../ir/index.ts';
import { verifyModel } from '../ir/verify.ts';
import { eliminateRepeatedActivation, paddedShortcutsToConv, runPasses } from './index.ts';

const END = Number.MAX_SAFE_INTEGER;

/** x [N, 4, 7, 6]; y = Relu(Conv(x) + shortcut(x)), both [N, 8, ...]. */
function network(
  shortcut: (b: GraphBuilder, x: Value) => Value,
  strides = [2, 2],
  opset = 13,
  dims: (string | number)[] = ['N', 4, 7, 6],
): Model {
  const model = new Model();
  model.opsets.set('', opset);
  const b = new GraphBuilder(model.graph, opset);
  const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: dims });
  const w = b.tensor(f32(Float32Array.from({ length: 8 * 4 * 9 }, (_, i) => Math.sin(i)), [8, 4, 3, 3])); // prettier-ignore
  const branch = b.op('Conv', [x, w], { strides: ints(strides), pads: ints([1, 1, 1, 1]) });
  const y = b.relu(b.add(branch, shortcut(b, x)));
  y.name = 'y';
  y.type = { elemType: DType.FLOAT };
  model.graph.outputs.push(y);
  return model;
}
const types = (m: Model): string[] => [...m.graph.nodes()].map((n) => n.opType);
const CHANNELS = [0, 2, 0, 0, 0, 2, 0, 0];

async function rewrite(m: Model): Promise<{ count: number; same: boolean }> {
  const facts = await collectFacts(m, plainExecutor, { batch: 3 });
  const x = randomTensor(DType.FLOAT, facts.get(m.graph.inputs[0]!)!.shape, 1);
  const before = await runOnce(m, { x });
  const count = paddedShortcutsToConv(m, facts);
  verifyModel(m);
  const after = await runOnce(m, { x });
  return { count, same: JSON.stringify([before['y']!.dims, [...(before['y']!.data as Float32Array)]]) === JSON.stringify([after['y']!.dims, [...(after['y']!.data as Float32Array)]]) }; // prettier-ignore
}

describe('padded-shortcuts-to-conv', () => {
  const matching: Record<string, () => Model> = {
    'one Slice and a Pad': () => network((b, x) => b.pad(b.slice(x, [0, 0], [END, END], [2, 3], [2, 2]), CHANNELS)),
    'one Slice per axis': () =>
      network((b, x) => b.pad(b.slice(b.slice(x, [0], [END], [2], [2]), [0], [END], [3], [2]), CHANNELS)),
    'axes counted from the end, ends given': () =>
      network((b, x) => b.pad(b.slice(x, [0, 0], [7, 6], [-2, -1], [2, 2]), CHANNELS)),
    'Slices of whole axes of all kinds': () =>
      network((b, x) => b.pad(b.slice(x, [0, 0, 0, 0], [END, 4, END, END], [0, 1, 2, 3], [1, 1, 2, 2]), CHANNELS)),
    'two Slices of one axis': () =>
      network((b, x) => b.pad(b.slice(b.slice(x, [0], [END], [2], [2]), [0, 0], [END, END], [2, 3], [2, 2]), CHANNELS), [4, 2]), // prettier-ignore
    'channels at one side only': () =>
      network((b, x) => b.pad(b.slice(x, [0, 0], [END, END], [2, 3], [2, 2]), [0, 0, 0, 0, 0, 4, 0, 0])),
    'no Slice at all': () => network((b, x) => b.pad(x, CHANNELS), [1, 1]),
    'pads as an attribute': () => network((b, x) => b.pad(b.slice(x, [0, 0], [END, END], [2, 3], [2, 2]), CHANNELS), [2, 2], 10), // prettier-ignore
    'a zero of its own': () =>
      network((b, x) => b.op('Pad', [b.slice(x, [0, 0], [END, END], [2, 3], [2, 2]), b.ints(CHANNELS), b.scalar(0)])),
  };
  it.each(Object.keys(matching))('takes %s, and the result is the same to the bit', async (name) => {
    const m = matching[name]!();
    expect(await rewrite(m)).toEqual({ count: 1, same: true });
    expect(types(m)).toEqual(['Conv', 'Conv', 'Add', 'Relu']);
  });

  const strided = (b: GraphBuilder, x: Value): Value => b.slice(x, [0, 0], [END, END], [2, 3], [2, 2]);
  const pad = (b: GraphBuilder, x: Value, inputs: Value[], attributes: Record<string, Attribute> = {}): Value => b.op('Pad', [x, ...inputs], attributes); // prettier-ignore
  const others: Record<string, () => Model> = {
    'spatial pads': () => network((b, x) => b.pad(b.slice(x, [0, 0], [6, 4], [2, 3], [2, 2]), [0, 2, 0, 0, 0, 2, 1, 1])), // prettier-ignore
    'negative pads': () =>
      network((b, x) => b.pad(strided(b, b.op('Concat', [x, x, x], { axis: { kind: 'int', value: 1n } })), [0, -2, 0, 0, 0, -2, 0, 0])), // prettier-ignore
    'a value that is not zero': () => network((b, x) => pad(b, strided(b, x), [b.ints(CHANNELS), b.scalar(0.5)])),
    'a value that nobody knows': () =>
      network((b, x) => pad(b, strided(b, x), [b.ints(CHANNELS), b.op('ReduceMax', [x], { keepdims: { kind: 'int', value: 0n } })])), // prettier-ignore
    'a reflection': () =>
      network((b, x) => pad(b, strided(b, x), [b.ints([0, 2, 0, 0, 0, 2, 0, 0])], { mode: str('reflect') })),
    'a repeated edge': () => network((b, x) => pad(b, strided(b, x), [b.ints(CHANNELS)], { mode: str('edge') })),
    'a Slice that starts later': () => network((b, x) => b.pad(b.slice(x, [1, 0], [END, END], [2, 3], [2, 2]), CHANNELS), [2, 2], 13, ['N', 4, 8, 6]), // prettier-ignore
    'a Slice that ends before': () =>
      network((b, x) => b.pad(b.slice(x, [0, 0], [7, END], [2, 3], [2, 2]), CHANNELS), [2, 2], 13, ['N', 4, 8, 6]),
    'a Slice of channels': () => network((b, x) => b.pad(b.slice(x, [0, 0, 0], [2, END, END], [1, 2, 3], [1, 2, 2]), [0, 3, 0, 0, 0, 3, 0, 0])), // prettier-ignore
    'a Slice that runs backwards': () => network((b, x) => b.pad(b.slice(x, [0, -1], [END, -END], [2, 3], [2, -2]), CHANNELS)), // prettier-ignore
    'a Slice of a batch that was as long as that': () =>
      network((b, x) => b.pad(b.slice(x, [0, 0, 0], [3, END, END], [0, 2, 3], [1, 2, 2]), CHANNELS)),
    'no sum behind it': () => network((b, x) => b.neg(b.pad(strided(b, x), CHANNELS))),
  };
  it.each(Object.keys(others))('leaves %s', async (name) => {
    const m = others[name]!();
    const before = types(m);
    const facts = await collectFacts(m, plainExecutor, { batch: 3 }).catch((e: unknown) => {
      // Shapes that do not fit would make the test meaningless.
      throw new Error(`${name} does not run: ${String(e)}`);
    });
    expect(paddedShortcutsToConv(m, facts)).toBe(0);
    expect(types(m)).toEqual(before);
  });

  it('keeps a shortcut that is given out under its name', async () => {
    const m = network((b, x) => b.pad(strided(b, x), CHANNELS));
    const padded = [...m.graph.nodes()].find((n) => n.opType === 'Pad')!.output();
    padded.type = { elemType: DType.FLOAT };
    padded.name = 'padded';
    m.graph.outputs.push(padded);
    expect(await rewrite(m)).toEqual({ count: 0, same: true });
    expect(m.graph.outputs.map((v) => v.name)).toEqual(['y', 'padded']);
  });
});

/** x [2, 3, 4, 4] -> y, through the nodes that `make` emits. */
function line(make: (b: GraphBuilder, x: Value) => Value, opset = 13): Model {
  const model = new Model();
  model.opsets.set('', opset);
  const b = new GraphBuilder(model.graph, opset);
  const y = make(b, model.graph.addInput('x', { elemType: DType.FLOAT, shape: [2, 3, 4, 4] }));
  const out = b.op('Identity', [y]);
  out.name = 'y';
  out.type = { elemType: DType.FLOAT };
  model.graph.outputs.push(out);
  return model;
}
const clip = (b: GraphBuilder, x: Value, low: number, high: number): Value =>
  b.op('Clip', [x, b.tensor(f32([low], [])), b.tensor(f32([high], []))]);
const pool = { kernel_shape: ints([2, 2]), strides: ints([2, 2]) };

describe('eliminate-repeated-activation', () => {
  const cases: Record<string, [removed: number, make: () => Model]> = {
    'Relu of Relu': [1, () => line((b, x) => b.relu(b.relu(x)))],
    'three in a row': [2, () => line((b, x) => b.relu(b.relu(b.relu(x))))],
    'Relu of a sum of two': [1, () => line((b, x) => b.relu(b.add(b.relu(x), b.relu(b.neg(x)))))],
    'Relu of a sum of which one may be negative': [0, () => line((b, x) => b.relu(b.add(b.relu(x), x)))],
    'Relu behind pooling and reshaping': [
      1,
      () => line((b, x) => b.relu(b.op('Flatten', [b.op('MaxPool', [b.op('AveragePool', [b.relu(x)], pool)], pool)]))),
    ],
    'Relu behind zero padding': [1, () => line((b, x) => b.relu(b.pad(b.relu(x), [0, 1, 0, 0, 0, 1, 0, 0])))],
    'Relu behind padding with minus one': [
      0,
      () => line((b, x) => b.relu(b.op('Pad', [b.relu(x), b.ints([0, 1, 0, 0, 0, 1, 0, 0]), b.scalar(-1)]))),
    ],
    'Relu behind padding with minus one as attribute': [
      0,
      () =>
        line((b, x) => b.relu(b.op('Pad', [b.relu(x)], { pads: ints([0, 1, 0, 0, 0, 1, 0, 0]), value: float(-1) })), 10), // prettier-ignore
    ],
    'Relu of Concat': [1, () => line((b, x) => b.relu(b.concat([b.relu(x), b.op('Sigmoid', [x])], 1)))],
    'Relu of a part': [1, () => line((b, x) => b.relu(b.slice(b.relu(x), [1], [3], [1])))],
    'Relu of a difference': [0, () => line((b, x) => b.relu(b.sub(b.relu(x), b.relu(b.neg(x)))))],
    'Relu of Conv': [0, () => line((b, x) => b.relu(b.op('Conv', [b.relu(x), b.tensor(f32([1, -1, -1], [1, 3, 1, 1]))])))], // prettier-ignore
    'Clip of the same Clip': [1, () => line((b, x) => clip(b, clip(b, x, -0.5, 0.7), -0.5, 0.7))],
    'Clip of another Clip': [0, () => line((b, x) => clip(b, clip(b, x, -0.5, 0.7), -0.5, 0.6))],
    'Clip by attributes': [
      1,
      () => line((b, x) => [0, 1].reduce((v) => b.op('Clip', [v], { min: float(0), max: float(0.5) }), x), 10),
    ],
    'Clip with a tighter attribute': [
      0,
      () => line((b, x) => b.op('Clip', [b.op('Clip', [x], { min: float(0), max: float(0.5) })], { max: float(0.4) }), 10), // prettier-ignore
    ],
  };
  it.each(Object.keys(cases))('%s', async (name) => {
    const [removed, make] = cases[name]!;
    const m = make();
    const x = randomTensor(DType.FLOAT, [2, 3, 4, 4], 2);
    const before = await runOnce(m, { x });
    const count = m.graph.nodeCount;
    runPasses(m, [eliminateRepeatedActivation], { verify: true });
    expect(count - m.graph.nodeCount).toBe(removed);
    expect(await runOnce(m, { x })).toEqual(before);
    expect(runPasses(m, [eliminateRepeatedActivation]).modified).toBe(false);
  });

  it('keeps an activation that is an output', () => {
    const m = line((b, x) => b.relu(x));
    const again = m.graph.emit('Relu', [[...m.graph.nodes()][0]!.output()], { outputName: 'z' })[0]!;
    again.type = { elemType: DType.FLOAT };
    m.graph.outputs.push(again);
    expect(eliminateRepeatedActivation.run(m).modified).toBe(false);
    expect(m.graph.outputs.map((v) => v.name)).toEqual(['y', 'z']);
  });
});
