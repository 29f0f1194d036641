import { describe, expect, it } from 'vitest';
import type { OutputMeaning, OutputReading } from '../../../shared/model/job.ts';
import { GraphBuilder } from '../autodiff/builder.ts';
import { meanSquaredError } from '../../../../test/support/losses.ts';
import type { HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import { Graph } from '../ir/graph.ts';
import { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import { distanceFrom } from '../quality/distance.ts';
import { outputLosses } from '../quality/loss.ts';
import { outputMeanings, type Evidence } from '../quality/meaning.ts';
import { createQualityMeter } from '../quality/meter.ts';
import { sayPrediction } from '../quality/prediction.ts';
import { STRENGTH, type Head, type Meanings } from './contract.ts';
import { HEADS, Heads } from './registry.ts';
import { boxLayout, readBoxes } from './support/detections.ts';
import { floats } from './support/values.ts';

const float = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ dtype: DType.FLOAT, dims, data: Float32Array.from(data) }); // prettier-ignore
const read = (name: string, reading: OutputReading, more: Partial<OutputMeaning> = {}): [string, OutputMeaning] => [name, { name, reading, source: 'given', why: '', ...more }]; // prettier-ignore

type Shapes = Readonly<Record<string, readonly number[]>>;
/** A model with outputs of these names and shapes, each computed by a Gemm. */
function network(outputs: Shapes): Model {
  const graph = new Graph();
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: [1] });
  for (const name of Object.keys(outputs)) {
    const y = graph.emit('Gemm', [x, graph.addInitializer(`w.${name}`, f32([1], [1, 1]))])[0]!;
    y.name = name;
    graph.outputs.push(y);
  }
  return new Model(graph);
}
function readingsOf(outputs: Shapes, more: Partial<Evidence> = {}, heads = HEADS): Meanings {
  const shapeOf = (name: string) => ({ dims: outputs[name]!, dtype: DType.FLOAT });
  return outputMeanings(network(outputs), { shapeOf, inputs: [], ...more }, heads);
}
const ids = (dims: number[], dtype: number = DType.INT64, name = 'input_ids') => ({ name, dims, dtype });

describe('tokens', () => {
  it('are logits along a sequence of integers', () => {
    const logits = { logits: [2, 16, 100] };
    expect(readingsOf(logits, { inputs: [ids([2, 16])] }).get('logits')).toMatchObject({ reading: 'tokens', axis: 2 });
    expect(readingsOf(logits, { inputs: [ids([3, 2, 16], DType.INT64, 'position_ids')] }).get('logits')!.reading).toBe('tokens'); // prettier-ignore
    expect(readingsOf(logits, { inputs: [ids([2, 16])] }).get('logits')!.guessed).toBeUndefined();
  });

  it.each([
    ['another sequence', { logits: [2, 16, 100] }, [ids([2, 12])], 'map'],
    ['an input of floats', { logits: [2, 16, 100] }, [ids([2, 16], DType.FLOAT)], 'map'],
    ['a picture', { logits: [2, 16, 100] }, [ids([2, 3, 64, 64], DType.FLOAT)], 'map'],
    ['hidden states', { last_hidden_state: [2, 16, 100] }, [ids([2, 16])], 'numbers'],
    ['a row of classes', { logits: [2, 100] }, [ids([2, 16])], 'classes'],
  ] as const)('are not taken from %s', (_, outputs, inputs, reading) => {
    const [name] = Object.keys(outputs) as [string];
    expect(readingsOf(outputs, { inputs }).get(name)!.reading).toBe(reading);
  });

  it('are judged by the token of each position', () => {
    const meanings = new Map([read('y', 'tokens', { axis: 2 })]);
    const meter = createQualityMeter({ order: ['y'], meanings });
    // Two samples of three positions and four tokens. One of six positions differs.
    const want = [0, 1, 2, 1, 3, 0].flatMap((t) => [0, 1, 2, 3].map((k) => (k === t ? 5 : 0)));
    const have = [0, 1, 3, 1, 3, 0].flatMap((t) => [0, 1, 2, 3].map((k) => (k === t ? 5 : 0)));
    meter.add({ y: float([2, 3, 4], want) }, { y: float([2, 3, 4], have) }, 2);
    const [y] = meter.result().outputs!;
    expect(y).toMatchObject({ reading: 'tokens', samples: 2, agreement: 5 / 6, chance: 1 / 3 });
    // One of six positions has its largest probability elsewhere: p = e^5 / (e^5 + 3), KL = 5 (p - q).
    const [p, q] = [Math.exp(5), 1].map((e) => e / (Math.exp(5) + 3));
    expect(y!.kl).toBeCloseTo((5 * (p! - q!)) / 6, 6);
    const look = { order: ['y'], meanings, picture: null };
    expect(distanceFrom({ y: float([2, 3, 4], want) }, look)({ y: float([2, 3, 4], have) })).toBeCloseTo(y!.kl!, 6);
  });

  it('are told as the last token', () => {
    const o = { order: ['y'], meanings: new Map([read('y', 'tokens', { axis: 2 })]), picture: null, names: null };
    const [a, b] = [[9, 0, 0, 9], [9, 0, 9, 0]].map((x) => ({ y: float([1, 2, 2], x) })); // prettier-ignore
    expect(sayPrediction(a!, b!, o)).toEqual({ before: 'token 1', after: 'token 0, 1 of 2 the same' });
  });
});

describe('latents', () => {
  it('are never inferred, and read where the user says so', () => {
    const outputs = { latents: [2, 4, 8, 8], latent_sample: [2, 16] };
    for (const m of readingsOf(outputs).values()) expect(m.reading).not.toBe('latent');
    expect(readingsOf(outputs, { given: { latents: 'latent' } }).get('latents')).toMatchObject({ reading: 'latent', source: 'given' }); // prettier-ignore
    expect(() => readingsOf({ y: [2] }, { given: { y: 'latent' } })).toThrow(/y cannot be read as latent/);
    expect(() => readingsOf({ y: [2, 3] }, { given: { y: 'tokens' } })).toThrow(/y cannot be read as tokens/);
  });

  it('are judged by signal and noise', () => {
    const meter = createQualityMeter({ order: ['y'], meanings: new Map([read('y', 'latent')]) });
    // Signal power 4 and mean 0 in each sample; noise 0.04.
    meter.add({ y: float([2, 4], [1, -1, 1, -1, 1, 1, -1, -1]) }, { y: float([2, 4], [1.2, -1, 1, -1, 1, 1.2, -1, -1]) }, 2); // prettier-ignore
    const [y] = meter.result().outputs!;
    expect(y).toMatchObject({ reading: 'latent', samples: 2 });
    expect(y!.snrDb).toBeCloseTo(20, 4);
    expect(y!.agreement).toBeCloseTo(0.99, 5);
    const flat = createQualityMeter({ order: ['y'], meanings: new Map([read('y', 'latent')]) });
    flat.add({ y: float([1, 3], [2, 2, 2]) }, { y: float([1, 3], [2, 2, 2]) }, 1);
    expect(flat.result().outputs![0]).toMatchObject({ snrDb: null, unjudged: expect.stringContaining('same value') as string }); // prettier-ignore
  });
});

describe('queries of a detection transformer', () => {
  const outputs = { pred_logits: [1, 100, 92], pred_boxes: [1, 100, 4] };
  /** Three queries over two classes and no object: a box of class 1, one of class 0, and no object. */
  const logits = [0, 6, 0, 6, 0, 0, 0, 0, 6];
  const boxes = [0.5, 0.5, 0.2, 0.4, 0.25, 0.75, 0.1, 0.1, 0.9, 0.9, 0.1, 0.1];
  const detected = (b = boxes, l = logits) => ({ logits: float([1, 3, 3], l), boxes: float([1, 3, 4], b) });
  const meanings: Meanings = new Map([read('logits', 'boxes', { axis: 2 }), read('boxes', 'boxes')]);
  const order = ['logits', 'boxes'];

  it.each([
    ['pred_logits', 'pred_boxes'],
    ['logits', 'boxes'],
  ])('are boxes: %s and %s', (l, b) => {
    const found = readingsOf({ [l]: outputs.pred_logits, [b]: outputs.pred_boxes });
    expect(found.get(l)).toMatchObject({ reading: 'boxes', axis: 2 });
    expect(found.get(b)).toMatchObject({ reading: 'boxes' });
    expect(found.get(b)!.axis).toBeUndefined();
  });

  it('are not boxes with another number of queries, or of scores of anchors', () => {
    expect(readingsOf({ logits: [1, 50, 92], boxes: [1, 100, 4] }).get('boxes')!.reading).toBe('numbers');
    expect(readingsOf({ scores: [1, 4420, 2], boxes: [1, 4420, 4] }).get('boxes')!.reading).toBe('numbers');
    expect(boxLayout(detected(boxes.map((x) => 100 * x)), order, null)).toBeNull();
  });

  it('are read in shares of the picture, the last class as nothing', () => {
    const layout = boxLayout(detected(), order, null)!;
    expect(layout).toEqual({ kind: 'set', logits: 'logits', boxes: 'boxes', scores: 'softmax' });
    const [[first, second, ...none]] = readBoxes(detected(), layout, null) as [ReturnType<typeof readBoxes>[0]];
    expect(none).toEqual([]);
    expect([first!.label, second!.label]).toEqual([1, 0]);
    for (const [k, v] of Object.entries({ x1: 0.4, y1: 0.3, x2: 0.6, y2: 0.7 })) expect(first![k as 'x1']).toBeCloseTo(v, 6); // prettier-ignore
    expect(first!.score).toBeCloseTo(Math.exp(6) / (Math.exp(6) + 2), 6);
  });

  it('are scored class by class where nearly all logits are negative', () => {
    const negative = [-4, 2, -5, -6, -4, -5, -6, -5, -4];
    const layout = boxLayout(detected(boxes, negative), order, null)!;
    expect(layout).toMatchObject({ scores: 'sigmoid' });
    expect(readBoxes(detected(boxes, negative), layout, null)[0]).toMatchObject([{ label: 1, score: expect.closeTo(1 / (1 + Math.exp(-2)), 6) as number }]); // prettier-ignore
  });

  it('are judged and told by what is found', () => {
    const moved = boxes.map((x, i) => (i === 0 ? x + 0.02 : i === 4 ? x + 0.5 : x));
    const meter = createQualityMeter({ order, meanings });
    meter.add(detected(), detected(moved), 1);
    expect(meter.result()).toMatchObject({ reading: 'boxes', agreement: 0.5, boxes: 2 });
    expect(meter.result().outputs!.map((o) => o.name)).toEqual(['boxes']);
    const look = { order, meanings, picture: null, names: null };
    expect(sayPrediction(detected(), detected(moved), look)).toEqual({ before: '2 boxes', after: '2 boxes, 1 the same' }); // prettier-ignore
  });

  it('count a box by how far the original sees an object', () => {
    const look = { order, meanings, picture: null };
    const distance = distanceFrom(detected(), look);
    const at = (query: number): number => distance(detected(boxes.map((x, i) => (i === 4 * query ? x - 0.1 : x))));
    expect(at(0)).toBeGreaterThan(0.005);
    expect(at(2)).toBeLessThan(1e-4 * at(0));
    // The user can set another reading.
    const numbers: Meanings = new Map([read('logits', 'numbers'), read('boxes', 'boxes')]);
    expect(distanceFrom(detected(), { ...look, meanings: numbers })(detected(boxes.map((x, i) => (i === 8 ? x - 0.1 : x))))).toBeGreaterThan(1e-3); // prettier-ignore
  });
});

describe('a further head', () => {
  /** A reading for values of which only the sign matters. It exists only in this file. */
  const SIGN = 'sign' as OutputReading;
  const sign: Head = {
    ...HEADS.of('numbers'),
    reading: SIGN,
    claim: (o) => (/sign/.test(o.name) ? { strength: STRENGTH.name, why: 'its name says so' } : null),
    distance(want) {
      const a = Array.from(floats(want)!);
      return (have) => a.reduce((n, x, i) => n + Number(x > 0 !== floats(have)![i]! > 0), 0) / want.dims[0]!;
    },
    loss: (b, { own, given, shape }) => meanSquaredError(b, b.op('Tanh', [own]), b.op('Sign', [given]), shape),
    judge() {
      let [samples, same, all] = [0, 0, 0];
      return {
        add({ ref, out, count, size }) {
          samples += count;
          all += count * size;
          for (let i = 0; i < count * size; i++) same += Number(ref[i]! > 0 === out[i]! > 0);
        },
        figures: () => ({ samples, agreement: same / all }),
      };
    },
    say: (before) => ({ before: `${floats(before)!.filter((x) => x > 0).length} up`, after: 'signs' }),
  };
  const heads = new Heads([...HEADS.all(), sign]);
  const [want, have] = [{ signs: float([2, 2], [1, -1, 2, 3]) }, { signs: float([2, 2], [4, 1, 2, 3]) }];

  it('needs nothing but its own file', () => {
    const meanings = readingsOf({ signs: [2, 2], y: [2, 2] }, {}, heads);
    expect([...meanings.values()].map((m) => m.reading)).toEqual([SIGN, 'numbers']);
    const look = { order: ['signs'], meanings, picture: null };
    expect(distanceFrom(want, look, heads)(have)).toBe(0.5);
    const meter = createQualityMeter({ ...look, heads });
    meter.add(want, have, 2);
    expect(meter.result()).toMatchObject({ agreement: 0.75, reading: SIGN });
    expect(sayPrediction(want, have, { ...look, names: null }, heads)).toEqual({ before: '3 up', after: 'signs' });
    const model = new Model();
    model.opsets.set('', 17);
    const b = new GraphBuilder(model.graph, 17);
    const [own, given] = ['own', 'given'].map((n) => model.graph.addInput(n, { elemType: DType.FLOAT, shape: [2, 2] }));
    const output = { name: 'signs', meaning: meanings.get('signs'), own: own!, given: given!, shape: [2, 2] };
    outputLosses(b, [output], { temperature: 1, joint: null }, heads);
    expect([...model.graph.nodes()].map((n) => n.opType)).toContain('Tanh');
  });

  it('reads nothing that another head has stronger evidence for', () => {
    const given = readingsOf({ sign_logits: [2, 10] }, { classNames: 10 }, heads);
    expect(given.get('sign_logits')!.reading).toBe('classes');
  });
});
