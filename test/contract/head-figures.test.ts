/**
 * Distance, loss, cotangent, scores and quality of every reading on fixed arrays. Refactoring must
 * not change these figures.
 */
import { describe, expect, it } from 'vitest';
import type { OutputMeaning, Recipe } from '../../src/shared/model/job.ts';
import { PRESETS } from '../../src/shared/model/recipes.ts';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import type { LossContext } from '../../src/main/engine/autodiff/train-step.ts';
import { importDomains } from '../../src/main/engine/autodiff/walker.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType, elementCount } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { Curvature } from '../../src/main/engine/allocation/curvature.ts';
import { HEADS } from '../../src/main/engine/heads/registry.ts';
import { distanceFrom } from '../../src/main/engine/quality/distance.ts';
import { jointOf } from '../../src/main/engine/quality/joint.ts';
import { createQualityMeter } from '../../src/main/engine/quality/meter.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import type { Prepared } from '../../src/main/pipeline/prepare/prepare.ts';
import { lossOf } from '../../src/main/pipeline/recover/recover-model.ts';
import { scoreGroups } from '../../src/main/pipeline/search/scores.ts';
import { plainExecutor } from '../support/executor.ts';
import { prepare } from '../support/prune.ts';
import { GOLDEN } from '../support/head-golden.ts';

type Fill = (index: number, random: () => number) => number;
interface Case {
  readonly meaning: Omit<OutputMeaning, 'name' | 'source' | 'why'>;
  readonly dims: readonly number[];
  readonly fill?: Fill;
  /** Final layer of the network for the cotangents. */
  readonly end: 'row' | 'probabilities' | 'map';
  readonly labels?: readonly number[];
}

const ANCHORS = [2, 336, 7];
/** Centre and size in pixels of a 128-pixel image, objectness and two class scores. */
const anchor: Fill = (i, random) => {
  const k = i % 7;
  if (k < 2) return 20 + 90 * random();
  if (k < 4) return 10 + 20 * random();
  return Math.floor(i / 7) % 40 === 3 ? 0.6 + 0.4 * random() : 0.05 * random();
};
const softmaxed: Fill = (i) => [0.5, 0.25, 0.15, 0.07, 0.03][(i + Math.floor(i / 5)) % 5]!;

const CASES: Readonly<Record<string, Case>> = {
  'classes as logits': { meaning: { reading: 'classes', axis: 1, labels: true }, dims: [4, 5], end: 'row', labels: [0, 1, 4, 2] }, // prettier-ignore
  'classes as probabilities': { meaning: { reading: 'classes', axis: 1 }, dims: [4, 5], fill: softmaxed, end: 'probabilities' }, // prettier-ignore
  'classes by threshold': { meaning: { reading: 'classes', threshold: 0.5 }, dims: [4, 5], end: 'row' },
  'classes across samples': { meaning: { reading: 'classes', axis: 1, batchAxis: 1 }, dims: [4, 5], end: 'row' },
  boxes: { meaning: { reading: 'boxes' }, dims: ANCHORS, fill: anchor, end: 'row' },
  'a map of classes': { meaning: { reading: 'map', axis: 1 }, dims: [2, 3, 8, 8], end: 'map' },
  'a mask': { meaning: { reading: 'map', threshold: 0 }, dims: [2, 3, 8, 8], end: 'map' },
  image: { meaning: { reading: 'image' }, dims: [2, 3, 8, 8], end: 'map' },
  embedding: { meaning: { reading: 'embedding' }, dims: [4, 5], end: 'row' },
  numbers: { meaning: { reading: 'numbers' }, dims: [4, 5], end: 'row' },
};

const tensorOf = (dims: readonly number[], data: Float32Array): HostTensor => ({ dtype: DType.FLOAT, dims, data });

/**
 * The original's output and one that differs by a tenth of its values; for detectors, scores stay
 * between 0 and 1.
 */
function pair(c: Case): { want: HostTensor; have: HostTensor } {
  const random = seededRandom(11);
  const fill = c.fill ?? (() => random.normal());
  const want = Float32Array.from({ length: elementCount(c.dims) }, (_, i) => fill(i, () => random.next()));
  const have = want.map((x, i) => {
    const moved = x + 0.1 * random.normal() * Math.max(0.2, Math.abs(x));
    return c.meaning.reading === 'boxes' && i % 7 > 3 ? Math.min(1, Math.max(0, moved)) : moved;
  });
  return { want: tensorOf(c.dims, want), have: tensorOf(c.dims, have) };
}

const meaningsOf = (c: Case) =>
  new Map<string, OutputMeaning>([['y', { name: 'y', source: 'given', why: '', ...c.meaning }]]);
const PICTURE = [128, 128] as const;

async function lossValue(c: Case, { want, have }: ReturnType<typeof pair>): Promise<number> {
  const model = new Model();
  model.opsets.set('', 17);
  const b = new GraphBuilder(model.graph, 17);
  const y = model.graph.addInput('y', { elemType: DType.FLOAT, shape: c.dims });
  const names: string[] = [];
  const l: LossContext = {
    b,
    outputs: [y],
    shape: () => c.dims,
    copyOf: (v) => v,
    input(name, elemType, shape) {
      names.push(name);
      return model.graph.addInput(name, { elemType, shape });
    },
    extra: () => undefined,
  };
  const meanings = meaningsOf(c);
  const meaning = meanings.get('y');
  const loss = lossOf(l, {
    outputs: [y],
    shapes: [c.dims],
    recipe: { ...PRESETS.fast.recovery, temperature: 2, alpha: 0.7 } as Recipe['recovery'],
    labelled: c.labels && HEADS.comparedBy(meaning).takesLabels?.(meaning) ? 0 : null,
    lessons: [],
    joint: jointOf({ y: want }, { order: ['y'], meanings, picture: PICTURE }),
    meanings,
  });
  model.graph.outputs.push(loss);
  importDomains(model);
  const labels = { dtype: DType.INT64, dims: [c.dims[0]!], data: BigInt64Array.from(c.labels ?? [], BigInt) };
  const feeds: Record<string, HostTensor> = { y: have };
  for (const name of names) feeds[name] = name.startsWith('labels') ? labels : want;
  const session = await plainExecutor.open(model);
  try {
    return Number((await session.run(feeds))[loss.name]!.data[0]);
  } finally {
    await session.release();
  }
}

/** x [N, 3, 8, 8] through two convolutions to rows of five or to three channels. */
function network(end: Case['end']): Model {
  const model = new Model();
  model.opsets.set('', 17);
  const b = new GraphBuilder(model.graph, 17);
  const random = seededRandom(4);
  const weights = (name: string, dims: number[]): Value =>
    model.graph.addInitializer(name, f32(Float32Array.from({ length: elementCount(dims) }, () => 0.4 * random.normal()), dims)); // prettier-ignore
  const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', 3, 8, 8] });
  const conv = (from: Value, name: string, out: number, inputs: number): Value =>
    model.graph.emit('Conv', [from, weights(`${name}.w`, [out, inputs, 3, 3])], { name, attributes: [['pads', ints([1, 1, 1, 1])]] })[0]!; // prettier-ignore
  const inner = b.relu(conv(x, 'a', 6, 3));
  const y =
    end === 'map'
      ? conv(inner, 'b', 3, 6)
      : b.op('Gemm', [b.op('Flatten', [b.op('GlobalAveragePool', [inner])]), weights('fc.w', [6, 5])]);
  const last = end === 'probabilities' ? b.op('Softmax', [y], { axis: int(1) }) : y;
  last.name = 'y';
  last.type = { elemType: DType.FLOAT, shape: end === 'map' ? ['N', 3, 8, 8] : ['N', 5] };
  model.graph.outputs.push(last);
  return model;
}

const noise = (seed: number): HostTensor => {
  const r = seededRandom(seed);
  return tensorOf(
    [1, 3, 8, 8],
    Float32Array.from({ length: 192 }, () => r.normal()),
  );
};

async function searchFigures(c: Case): Promise<{ curvature: number[]; taylor: number[] }> {
  const prepared = { ...(await prepare(network(c.end))), meanings: meaningsOf(c), rewritten: 0 };
  const batches = [1, 2, 3].map((seed) => ({ x: noise(seed) }));
  const curvature = await Curvature.collect(plainExecutor, prepared, batches, { threads: 1, seed: 5, compensation: 'bias' }); // prettier-ignore
  const group = prepared.structures[0]!;
  const ctx = { executor: plainExecutor, progress: () => undefined } as unknown as StageContext;
  const calibration = { input: 'x', size: 1, batches, labels: batches.map(() => null), real: true };
  const scores = await scoreGroups('taylor', prepared.model, prepared as unknown as Prepared, calibration, ctx, 1, 3);
  return { curvature: [[0], [1, 4]].map((units) => curvature.cost(group, units)), taylor: [...scores.get(group.id)!] }; // prettier-ignore
}

function metrics(c: Case, { want, have }: ReturnType<typeof pair>): unknown {
  const meter = createQualityMeter({ order: ['y'], meanings: meaningsOf(c), picture: PICTURE });
  meter.add({ y: want }, { y: have }, c.dims[0]!, c.labels);
  return meter.result();
}

async function figuresOf(name: string): Promise<Record<string, unknown>> {
  const c = CASES[name]!;
  const { want, have } = pair(c);
  const look = { order: ['y'], meanings: meaningsOf(c), picture: PICTURE };
  const distance = distanceFrom({ y: want }, look)({ y: have });
  return {
    distance,
    loss: await lossValue(c, { want, have }),
    ...(await searchFigures(c)),
    quality: metrics(c, { want, have }),
  };
}

/** Compares numbers within the differences between processors; everything else exactly. */
function close(have: unknown, want: unknown): unknown {
  if (typeof want === 'number' && typeof have === 'number')
    return Math.abs(have - want) <= 1e-3 * Math.abs(want) + 1e-6 ? want : have;
  if (Array.isArray(want)) return (have as unknown[]).map((x, i) => close(x, want[i]));
  if (want && typeof want === 'object' && have && typeof have === 'object')
    return Object.fromEntries(Object.entries(have).map(([k, x]) => [k, close(x, (want as Record<string, unknown>)[k])])); // prettier-ignore
  return have;
}

describe('figures of each reading', () => {
  it.each(Object.keys(CASES))('%s', async (name) => {
    const figures = await figuresOf(name);
    const golden = (GOLDEN as Readonly<Record<string, unknown>>)[name];
    expect(golden).toBeDefined();
    expect(close(figures, golden)).toEqual(golden);
  });
});
