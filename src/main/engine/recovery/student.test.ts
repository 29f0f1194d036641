import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { meanSquaredError } from '../../../../test/support/losses.ts';
import { prepare } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { seededRandom } from '../random.ts';
import { buildTrainStep, type LossContext } from '../autodiff/train-step.ts';
import { Trainer, writeParameters } from '../autodiff/trainer.ts';
import type { HostTensor } from '../executor.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { normalized, trainable } from '../../pipeline/recover/recover-model.ts';
import { Student } from './student.ts';

const BATCH = 16;
const random = seededRandom(4);
const batches = Array.from({ length: 4 }, (): HostTensor => {
  const dims = [BATCH, 3, 8, 8];
  return { dtype: DType.FLOAT, dims, data: Float32Array.from({ length: BATCH * 192 }, () => random.normal()) };
});
const target: HostTensor = { dtype: DType.FLOAT, dims: [BATCH, 4], data: new Float32Array(4 * BATCH).fill(0.5) };

async function open(): Promise<{ student: Student; model: Model }> {
  const { model: source } = await prepare(residualChain({ blocks: 1, width: 8 }));
  const dataset = { batch: (i: readonly number[]) => Promise.resolve({ x: batches[i[0]! % 4]! }) };
  const options = { train: Array.from({ length: 64 }, (_, i) => i), dataset: dataset as never, threads: 1 };
  const model = await normalized(source, options, BATCH, { executor: plainExecutor });
  const facts = await collectFacts(model, plainExecutor, { batch: BATCH });
  const loss = (l: LossContext) =>
    meanSquaredError(l.b, l.copyOf(model.graph.outputs[0]!), l.input('target', DType.FLOAT, [BATCH, 4]), [BATCH, 4]);
  const student = await Student.open({
    model,
    build: (moving) =>
      buildTrainStep(model, {
        facts: (v) => facts.get(v),
        params: trainable(model),
        loss,
        ema: 0.9,
        optimizer: { kind: 'muon' },
        relativeTo: { floor: 0.01 },
        ...(moving && { batchStatistics: { momentum: 0.9 } }),
      }),
    open: (step) => Trainer.open(plainExecutor, step, { threads: 1 }),
    moving: true,
  });
  return { student, model };
}
const learn = (s: Student, i: number, lr = 0.01): Promise<number> => s.learn({ x: batches[i % 4]!, target }, lr);

/** The loss of the model in its deployed form. */
async function deployed(model: Model, weights: ReadonlyMap<string, Float32Array>, x: HostTensor): Promise<number> {
  const candidate = cloneModel(model).model;
  writeParameters(candidate, weights);
  const session = await plainExecutor.open(candidate, {});
  try {
    const y = (await session.run({ x }))[candidate.graph.outputs[0]!.name]!.data as Float32Array;
    return y.reduce((sum, v) => sum + (v - 0.5) ** 2, 0) / y.length;
  } finally {
    await session.release();
  }
}

describe('a student', () => {
  it('trains the very function that is deployed once its statistics are held still', async () => {
    const { student, model } = await open();
    try {
      for (let i = 0; i < 6; i++) await learn(student, i);
      const moving = student.weights();
      expect(student.moving).toBe(true);
      // Normalizing by batch statistics computes another function.
      expect(Math.abs((await learn(student, 0, 0)) / (await deployed(model, moving, batches[0]!)) - 1)).toBeGreaterThan(1e-3); // prettier-ignore
      const before = student.weights();
      const average = student.weights('average');
      await student.settle();
      expect([student.moving, student.count]).toEqual([false, 7]);
      expect(student.weights()).toEqual(before);
      expect(student.weights('average')).toEqual(average);
      const wanted = await deployed(model, before, batches[0]!);
      expect((await learn(student, 0)) / wanted).toBeCloseTo(1, 4);
      // Weights continue to change, statistics do not.
      const after = student.weights();
      const changed = [...before]
        .filter(([name, v]) => v.some((x, i) => x !== after.get(name)![i]))
        .map(([name]) => name);
      expect(changed.length).toBeGreaterThan(4);
      expect(changed.some((name) => /_(mean|variance)/.test(name))).toBe(false);
      expect([...before.keys()].some((name) => /_(mean|variance)/.test(name))).toBe(true);
    } finally {
      await student.release();
    }
  });

  it('goes on in the phase in which it was suspended, and back in the first', async () => {
    const [{ student: one }, { student: other }] = [await open(), await open()];
    try {
      const fresh = structuredClone(other.suspend());
      for (let i = 0; i < 3; i++) await learn(one, i);
      await one.settle();
      await learn(one, 3);
      expect(await other.resume(structuredClone(one.suspend()))).toBe(true);
      expect([other.moving, other.count]).toEqual([false, 4]);
      expect(await learn(other, 4)).toBeCloseTo(await learn(one, 4), 6);
      expect(other.weights('average')).toEqual(one.weights('average'));
      // After a restart, the state is the initial one.
      expect(await other.resume(fresh)).toBe(true);
      expect([other.moving, other.count]).toEqual([true, 0]);
      const { student: third } = await open();
      expect(other.weights()).toEqual(third.weights());
      expect(await learn(other, 0)).toBeCloseTo(await learn(third, 0), 6);
      await third.release();
      expect(await other.resume({ trainer: { count: 1, vectors: new Map() }, still: null })).toBe(false);
      expect(await other.resume(null)).toBe(false);
    } finally {
      await one.release();
      await other.release();
    }
  });
});
