/**
 * Heads as graphs in the runtime: the gradient of every loss, and cotangents that represent the
 * distance.
 */
import { describe, expect, it } from 'vitest';
import type { OutputMeaning, OutputReading } from '../../src/shared/model/job.ts';
import { READINGS } from '../../src/shared/model/readings.ts';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { buildBackward, importDomains } from '../../src/main/engine/autodiff/walker.ts';
import type { ExecSession, HostTensor } from '../../src/main/engine/executor.ts';
import { DType, elementCount } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import type { LossOutput, Meanings, Outputs } from '../../src/main/engine/heads/contract.ts';
import { HEADS } from '../../src/main/engine/heads/registry.ts';
import { distanceFrom } from '../../src/main/engine/quality/distance.ts';
import { jointOf } from '../../src/main/engine/quality/joint.ts';
import { outputLosses } from '../../src/main/engine/quality/loss.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { plainExecutor } from '../support/executor.ts';

const PICTURE = [128, 128] as const;
const host = (dims: readonly number[], data: Float32Array): HostTensor => ({ dtype: DType.FLOAT, dims, data });
type Fill = (i: number, random: ReturnType<typeof seededRandom>) => number;
const normal: Fill = (_, r) => r.normal();
const share: Fill = (_, r) => 0.1 + 0.8 * r.next();

interface Case {
  readonly outputs: Readonly<Record<string, { dims: readonly number[]; fill: Fill; meaning: Partial<OutputMeaning> }>>;
  readonly reading: OutputReading;
}
const one = (reading: OutputReading, dims: readonly number[], meaning: Partial<OutputMeaning> = {}, fill = normal): Case => ({ reading, outputs: { y: { dims, fill, meaning } } }); // prettier-ignore
const queries = (bias: number): Case => ({
  reading: 'boxes',
  outputs: {
    logits: { dims: [2, 5, 4], fill: (_, r) => r.normal() + bias, meaning: { axis: 2 } },
    pred_boxes: { dims: [2, 5, 4], fill: share, meaning: {} },
  },
});
const anchor: Fill = (i, r) => (i % 7 < 4 ? 20 + 60 * r.next() : share(i, r));

const CASES: Readonly<Record<string, Case>> = {
  classes: one('classes', [3, 5], { axis: 1 }),
  'classes by threshold': one('classes', [3, 5], { threshold: 0 }),
  map: one('map', [2, 3, 4, 4], { axis: 1 }),
  image: one('image', [2, 3, 8, 8]),
  embedding: one('embedding', [3, 6]),
  tokens: one('tokens', [2, 4, 7], { axis: 2 }),
  latent: one('latent', [2, 4, 3, 3]),
  numbers: one('numbers', [3, 4]),
  'boxes of anchors': one('boxes', [1, 336, 7], {}, anchor),
  'boxes of queries with a Softmax': queries(0),
  'boxes of queries with a Sigmoid': queries(-3),
};

const meaningsOf = (c: Case): Meanings =>
  new Map(
    Object.entries(c.outputs).map(([name, o]) => [
      name,
      { name, reading: c.reading, source: 'given', why: '', ...o.meaning },
    ]),
  );

/** The original's outputs and slightly different ones. */
function outputsOf(c: Case, seed: number, off = 0.1): { want: Outputs; have: Outputs } {
  const random = seededRandom(seed);
  const want = Object.fromEntries(
    Object.entries(c.outputs).map(([name, { dims, fill }]) => [
      name,
      host(
        dims,
        Float32Array.from({ length: elementCount(dims) }, (_, i) => fill(i, random)),
      ),
    ]),
  );
  const have = Object.fromEntries(
    Object.entries(want).map(([name, t]) => [
      name,
      host(t.dims, (t.data as Float32Array).map((x) => x + off * random.normal())), // prettier-ignore
    ]),
  );
  return { want, have };
}

/** The loss of all outputs and its gradients, as a session fed `own_` and `given_` tensors. */
async function lossSession(c: Case, want: Outputs, temperature: number) {
  const model = new Model();
  model.opsets.set('', 17);
  const b = new GraphBuilder(model.graph, 17);
  const meanings = meaningsOf(c);
  const shapes = new Map<Value, { shape: readonly number[]; dtype: number }>();
  const input = (name: string, dims: readonly number[]): Value => {
    const v = model.graph.addInput(name, { elemType: DType.FLOAT, shape: dims });
    shapes.set(v, { shape: dims, dtype: DType.FLOAT });
    return v;
  };
  const outputs = Object.entries(c.outputs).map(([name, { dims }]): LossOutput => ({
    name,
    meaning: meanings.get(name),
    own: input(`own_${name}`, dims),
    given: input(`given_${name}`, dims),
    shape: dims,
  })); // prettier-ignore
  const joint = jointOf(want, { order: Object.keys(c.outputs), meanings, picture: PICTURE });
  const terms = outputLosses(b, outputs, { temperature, joint });
  // Outputs that belong together have one loss.
  if (c.reading === 'boxes') expect(terms).toHaveLength(1);
  const loss = terms.map((t) => t.loss).reduce((x, y) => b.add(x, y));
  const grads = buildBackward(b, { loss, wrt: outputs.map((o) => o.own), facts: (v) => shapes.get(v) as never });
  const give = (v: Value): string => {
    const out = b.op('Identity', [v]);
    out.type = { elemType: DType.FLOAT };
    model.graph.outputs.push(out);
    return out.name;
  };
  const names = { loss: give(loss), grads: outputs.map((o) => give(grads.get(o.own)!)) };
  importDomains(model);
  return { session: await plainExecutor.open(model), names, terms };
}

const feedsOf = (have: Outputs, want: Outputs): Record<string, HostTensor> =>
  Object.fromEntries(
    Object.keys(want).flatMap((n) => [
      [`own_${n}`, have[n]!],
      [`given_${n}`, want[n]!],
    ]),
  );

it('has a head for every reading, and a reading for every head', () => {
  expect(HEADS.all().map((h) => h.reading).sort()).toEqual([...READINGS].sort()); // prettier-ignore
});

describe('the loss of a head', () => {
  it.each(Object.keys(CASES))('has the gradient of finite differences: %s', async (name) => {
    const c = CASES[name]!;
    const { want, have } = outputsOf(c, 3);
    const { session, names } = await lossSession(c, want, 2);
    const value = async (o: Outputs): Promise<number> =>
      Number((await session.run(feedsOf(o, want)))[names.loss]!.data[0]);
    const out = await session.run(feedsOf(have, want));
    for (const [k, output] of Object.keys(c.outputs).entries()) {
      const grad = out[names.grads[k]!]!.data as Float32Array;
      const largest = grad.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
      expect(largest).toBeGreaterThan(0);
      const data = have[output]!.data as Float32Array;
      const step = name.includes('anchors') ? 0.05 : 0.02;
      // A sample of the elements, including the one with the largest gradient.
      const every = Math.ceil(data.length / 20);
      for (const i of data.keys()) {
        if (i % every !== 0 && Math.abs(grad[i]!) !== largest) continue;
        const moved = (by: number): Outputs => {
          const copy = data.slice();
          copy[i]! += by;
          return { ...have, [output]: host(have[output]!.dims, copy) };
        };
        const expected = ((await value(moved(step))) - (await value(moved(-step)))) / (2 * step);
        expect(Math.abs(grad[i]! - expected), `${output} ${i}`).toBeLessThan(0.02 * largest + 2e-5);
      }
    }
    await session.release();
  });

  it.each(Object.keys(CASES))('is zero for equal outputs and grows with the distance: %s', async (name) => {
    const c = CASES[name]!;
    const look = { order: Object.keys(c.outputs), meanings: meaningsOf(c), picture: PICTURE };
    const [near, far] = [outputsOf(c, 5, 0.02), outputsOf(c, 5, 0.3)];
    const { session, names } = await lossSession(c, near.want, 1);
    const loss = async (o: Outputs): Promise<number> =>
      Number((await session.run(feedsOf(o, near.want)))[names.loss]!.data[0]);
    const distance = distanceFrom(near.want, look);
    expect(Math.abs(await loss(near.want))).toBeLessThan(1e-5);
    expect(Math.abs(distance(near.want))).toBeLessThan(1e-6);
    expect(await loss(near.have)).toBeLessThan(await loss(far.have));
    expect(distance(near.have)).toBeLessThan(distance(far.have));
    if (['tokens', 'classes', 'embedding'].includes(name) || name.startsWith('boxes'))
      expect((await loss(far.have)) / distance(far.have)).toBeCloseTo(1, 3);
    await session.release();
  });
});

async function openCotangent(reading: OutputReading, meaning: OutputMeaning, dims: readonly number[]) {
  const model = new Model();
  model.opsets.set('', 17);
  const b = new GraphBuilder(model.graph, 17);
  const [out, noise] = ['out', 'noise'].map((name) => model.graph.addInput(name, { elemType: DType.FLOAT, shape: dims })); // prettier-ignore
  const o = { meaning, out: out!, noise: noise!, shape: dims, batch: dims[0]!, probabilities: false };
  const v = HEADS.of(reading).cotangent(b, o);
  model.graph.outputs.push(v);
  importDomains(model);
  return { session: await plainExecutor.open(model), name: v.name };
}

/** Mean of (v' d)^2 / (2 batch) over random cotangents. */
async function quadratic(
  { session, name }: { session: ExecSession; name: string },
  out: HostTensor,
  d: Float32Array,
  kind: 'normal' | 'gumbel',
): Promise<number> {
  const random = seededRandom(9);
  const PROBES = 4000;
  const draw = kind === 'gumbel' ? () => -Math.log(-Math.log(random.next() || 1e-12)) : () => random.normal();
  let sum = 0;
  for (let p = 0; p < PROBES; p++) {
    const noise = host(out.dims, Float32Array.from({ length: d.length }, draw));
    const v = (await session.run({ out, noise }))[name]!.data as Float32Array;
    let dot = 0;
    for (let i = 0; i < d.length; i++) dot += v[i]! * d[i]!;
    sum += dot * dot;
  }
  return sum / PROBES / (2 * out.dims[0]!);
}

describe('the cotangent of a head', () => {
  const single = Object.entries(CASES).filter(([, c]) => Object.keys(c.outputs).length === 1);
  // Anchors have a distance by values but a cotangent of numbers.
  it.each(single.filter(([name]) => !name.includes('anchors')).map(([name]) => name))(
    'stands for the distance of small changes: %s',
    async (name) => {
      const c = CASES[name]!;
      const { want } = outputsOf(c, 7);
      const meaning = meaningsOf(c).get('y')!;
      const random = seededRandom(8);
      const y = want['y']!;
      const d = Float32Array.from(y.data as Float32Array, () => 0.02 * random.normal());
      const moved = host(y.dims, (y.data as Float32Array).map((x, i) => x + d[i]!)); // prettier-ignore
      const look = { order: ['y'], meanings: meaningsOf(c), picture: null };
      const distance = distanceFrom(want, look)({ y: moved });
      const opened = await openCotangent(c.reading, meaning, y.dims);
      const estimate = await quadratic(opened, y, d, HEADS.of(c.reading).noise(meaning));
      await opened.session.release();
      expect(estimate / distance).toBeGreaterThan(0.85);
      expect(estimate / distance).toBeLessThan(1.15);
    },
  );

  it('of logits of queries stands for their divergence', async () => {
    const c = CASES['boxes of queries with a Softmax']!;
    const { want } = outputsOf(c, 7);
    const meaning = meaningsOf(c).get('logits')!;
    const random = seededRandom(8);
    const t = want['logits']!;
    const d = Float32Array.from(t.data as Float32Array, () => 0.02 * random.normal());
    const moved = host(t.dims, (t.data as Float32Array).map((x, i) => x + d[i]!)); // prettier-ignore
    const look = { order: ['logits', 'pred_boxes'], meanings: meaningsOf(c), picture: null };
    const distance = distanceFrom(want, look)({ ...want, logits: moved });
    const opened = await openCotangent('boxes', meaning, t.dims);
    const estimate = await quadratic(opened, t, d, 'gumbel');
    await opened.session.release();
    expect(estimate / distance).toBeGreaterThan(0.85);
    expect(estimate / distance).toBeLessThan(1.15);
  });
});
