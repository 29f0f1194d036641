/** Parts of the recovery of packages: the split of questions, targets, memory, and pairs of decoders. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { f32, toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import { rowsOf, targetsOf, ENTROPY, SHARES } from '../../src/main/pipeline/tokens/recover/batches.ts';
import { decoderWriter } from '../../src/main/pipeline/tokens/recover/decoders.ts';
import { sharesOf, type Lesson } from '../../src/main/pipeline/tokens/recover/lessons.ts';
import { planTraining } from '../../src/main/pipeline/tokens/recover/memory.ts';
import { splitQuestions } from '../../src/main/pipeline/tokens/recover/split.ts';

describe('the split of questions', () => {
  const questions = (pictures: number, each: number) =>
    Array.from({ length: pictures * each }, (_, i) => ({ image: `${i % pictures}.png`, prompt: `p${i}` }));

  it('holds out whole pictures', () => {
    const { train, choose, judge } = splitQuestions(questions(20, 3), 1);
    expect([train.length, choose.length, judge.length]).toEqual([42, 6, 12]);
    const [a, b, c] = [train, choose, judge].map((part) => new Set(part.map((q) => q.image)));
    expect([...a!].filter((image) => b!.has(image) || c!.has(image))).toEqual([]);
    expect([...b!].filter((image) => c!.has(image))).toEqual([]);
  });

  it('holds out questions where there are few pictures, and refuses few questions', () => {
    const { train, choose, judge } = splitQuestions(questions(2, 10), 1);
    expect([train.length, choose.length, judge.length]).toEqual([14, 2, 4]);
    expect(() => splitQuestions(questions(3, 3), 1)).toThrow(/at least 10 questions about pictures, and there are 9/);
  });
});

describe('targets', () => {
  const logits = { data: Float32Array.from([0, 1, 2, 3, 5, 0, 0, 0]), rows: 2, vocabulary: 4 };

  it('are all of a small vocabulary', () => {
    const { ids, shares, entropy, covered } = sharesOf(logits);
    expect(ids).toBeNull();
    const sum = [0, 1, 2, 3].reduce((n, x) => n + Math.exp(x), 0);
    expect(shares[3]).toBeCloseTo(Math.exp(3) / sum, 6);
    const p = [0, 1, 2, 3].map((x) => Math.exp(x) / sum);
    expect(entropy[0]).toBeCloseTo(-p.reduce((n, x) => n + x * Math.log(x), 0), 6);
    expect(covered).toBeCloseTo(1, 6);
  });

  it('are the most probable tokens of a larger one, and say how much these cover', () => {
    const { ids, shares, width, covered } = sharesOf(logits, 1);
    expect([...ids!]).toEqual([3, 0]);
    expect([width, ...shares]).toEqual([1, 1, 1]);
    expect(covered).toBeCloseTo((Math.exp(3) / [0, 1, 2, 3].reduce((n, x) => n + Math.exp(x), 0) + Math.exp(5) / (Math.exp(5) + 3)) / 2, 6); // prettier-ignore
  });

  it('sum to one over the answers of a batch, at the rows of the answers', () => {
    const lesson = { answer: [3, 0], first: 4, shares: sharesOf(logits) } as unknown as Lesson;
    const targets = targetsOf([lesson, lesson], 6, 4);
    expect((targets[SHARES]!.data as Float32Array).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    expect(targets[ENTROPY]!.data[0]).toBeCloseTo((lesson.shares.entropy[0]! + lesson.shares.entropy[1]!) / 2, 6);
    expect([...rowsOf([lesson, lesson], 6, 9).data].map(Number)).toEqual([4, 5, 13, 14, 0, 0]);
  });
});

describe('memory', () => {
  const needs = { weights: 1e6, trained: 9e5, adapters: 1e4, sample: 1e5 };

  it('decides between all matrices and adapters, and gives the reason', () => {
    expect(planTraining(needs, 'auto', 16, 1e9)).toMatchObject({ by: 'full', batch: 16 });
    const short = planTraining(needs, 'auto', 16, 4e7);
    expect(short).toMatchObject({ by: 'lora', reason: expect.stringMatching(/would take about 0.06 GB of the 0.04 GB/) }); // prettier-ignore
    expect(short.bytes).toBeLessThanOrEqual(4e7);
    expect(planTraining(needs, 'full', 16, 4e7)).toMatchObject({
      by: 'full',
      batch: 1,
      reason: 'These weights were asked for.',
    });
  });

  it('makes the batch as large as it allows', () => {
    const { batch, bytes } = planTraining(needs, 'lora', 64, 3e7);
    expect(batch).toBeLessThan(64);
    expect(bytes).toBeLessThanOrEqual(3e7);
    expect(bytes + 4 * 2.5 * needs.sample).toBeGreaterThan(3e7);
  });
});

describe('a pair of decoders', () => {
  /** y = x W V, with weights of these names. */
  const decoder = (names: readonly [string, string], own = 0): Model => {
    const model = new Model();
    model.opsets.set('', 17);
    const b = new GraphBuilder(model.graph, 17);
    const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 2] });
    const [w, v] = names.map((name, i) => model.graph.addInitializer(name, f32([1 + i, 2, 3, 4 + i * own], [2, 2])));
    model.graph.outputs.push(b.matmul(b.matmul(x, w!), v!));
    return model;
  };
  const held = (model: Model): Record<string, number[]> =>
    Object.fromEntries([...model.graph.initializers].map((v) => [v.name, [...toFloat32(v.initializer!)]]));

  it('gets the same weights under the names of each file', () => {
    const writer = decoderWriter(['first', decoder(['a', 'b'])], ['next', decoder(['p', 'q'])]);
    expect([...writer.names]).toEqual(['a', 'b']);
    const models = writer.models(new Map([['b', Float32Array.of(9, 8, 7, 6)]]));
    expect(held(models.get('first')!)).toEqual({ a: [1, 2, 3, 4], b: [9, 8, 7, 6] });
    expect(held(models.get('next')!)).toEqual({ p: [1, 2, 3, 4], q: [9, 8, 7, 6] });
  });

  it('keeps weights that only one file has', () => {
    const writer = decoderWriter(['first', decoder(['a', 'b'])], ['next', decoder(['p', 'q'], 5)]);
    expect([...writer.names]).toEqual(['a']);
    expect(() => writer.models(new Map([['b', new Float32Array(4)]]))).toThrow(/next lacks the weight b of first/);
  });
});
