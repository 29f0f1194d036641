/** Detectors that do not run without boxes can still be compared, timed and packed. */
import { describe, expect, it } from 'vitest';
import { detector, spotted } from '../../../../test/support/detector.ts';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Executor, HostTensor } from '../../engine/executor.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Candidate, CandidateResult } from '../../runtime/bench.ts';
import { collectFacts } from '../../runtime/facts.ts';
import type { Calibration } from '../prepare/calibration.ts';
import type { StageContext } from '../context.ts';
import { runnable } from '../pack/write-bundle.ts';
import { compareModels } from '../evaluate/evaluate.ts';
import { boxesNotes, holdBoxes, holding, holdingExecutor, plainOf } from './hold-boxes.ts';
import { measureHolding } from './measure.ts';
import { openDistance } from '../search/sensitivity.ts';

const dark: Record<string, HostTensor> = { x: { dtype: DType.FLOAT, dims: [1, 1, 8, 8], data: new Float32Array(64) } };
const sampleAt = async (i: number): Promise<Record<string, HostTensor>> => ({ ...(await spotted.batch([i])) });

async function runIn(executor: Executor, model: Model, feeds: Record<string, HostTensor>) {
  const session = await executor.open(model);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

describe('an executor that holds boxes', () => {
  it('runs what finds none with the choices of the original', async () => {
    const feeds = await sampleAt(2);
    await expect(runIn(plainExecutor, detector(0.5), feeds)).rejects.toMatchObject({ code: 'runtime-rejected' });
    const executor = holdingExecutor(plainExecutor, detector(1));
    const [own, cut] = [await runIn(executor, detector(1), feeds), await runIn(executor, detector(0.5), feeds)];
    expect(executor.held()).toBe(1);
    expect(own['labels']!.dims).toEqual([3]);
    expect(cut['labels']).toEqual(own['labels']);
    expect(cut['scores']!.data).not.toEqual(own['scores']!.data);
  });

  it('makes one up where the original finds none either', async () => {
    const executor = holdingExecutor(plainExecutor);
    await expect(runIn(plainExecutor, detector(1), dark)).rejects.toMatchObject({ code: 'runtime-rejected' });
    expect((await runIn(executor, detector(1), dark))['boxes']!.dims).toEqual([1, 4]);
    const facts = await collectFacts(detector(0.1), executor);
    expect([...facts.values()].length).toBeGreaterThan(0);
  });

  it('lets faults through that are not the choice’s, and what judges goes without it', async () => {
    const executor = holdingExecutor(plainExecutor, detector(1));
    await expect(runIn(executor, detector(1, { fault: true }), dark)).rejects.toMatchObject({
      code: 'runtime-rejected',
    });
    expect(executor.held()).toBe(0);
    expect(plainOf(executor)).toBe(plainExecutor);
    const got = await compareModels(detector(1), detector(0.5), { executor, dataset: spotted });
    expect(got.pruned.agreement).toBe(0);
    expect(executor.held()).toBe(0);
  });
});

it('measures the change of plans that find other boxes by the values of the same ones', async () => {
  const batches = [await sampleAt(0), await sampleAt(2)];
  const calibration: Calibration = { input: 'x', size: 1, batches, labels: [null, null], real: true };
  const whole = { model: detector(1), facts: new Map() } as unknown as Parameters<typeof openDistance>[1];
  const executor = holdingExecutor(plainExecutor, detector(1));
  const distance = await openDistance(executor, whole, calibration, 1);
  const [same, near, far, none] = [1, 0.9, 2, 0.5].map(detector1);
  const found = [await distance(same!), await distance(near!), await distance(far!), await distance(none!)];
  expect(found.every(Number.isFinite)).toBe(true);
  expect(found[0]).toBe(0);
  expect(found[1]).toBeLessThan(found[3]!);
});
const detector1 = (gain: number): Model => detector(gain);

describe('timing', () => {
  /**
   * Runs each model once without timing. Missing inputs are dark images, as random numbers may be.
   */
  async function look(list: readonly Candidate[]): Promise<CandidateResult[]> {
    for (const c of list) await runIn(plainExecutor, c.model as Model, { ...(c.feeds ?? dark) });
    return list.map((c) => ({ name: c.name }) as CandidateResult);
  }
  const pair = (a: number, b: number): Candidate[] => [
    { name: 'original', model: detector(a) },
    { name: 'pruned', model: detector(b) },
  ];

  it('stays as it is where random numbers will do', async () => {
    const bright = await sampleAt(0);
    const got = await measureHolding(
      pair(1, 0.9).map((c) => ({ ...c, feeds: bright })),
      look,
      { options: {} },
    );
    expect(got.map((r) => r.boxes)).toEqual([undefined, undefined]);
  });

  it('takes a sample of the data, then choices that are held, and says so', async () => {
    const sample = await sampleAt(2);
    const bySample = await measureHolding(pair(0.6, 0.58), look, { options: {}, sample });
    expect(bySample.map((r) => r.boxes)).toEqual(['sample', 'sample']);
    const byHand = await measureHolding(pair(0.6, 0.5), look, { options: {}, sample });
    expect(byHand.map((r) => r.boxes)).toEqual(['held', 'held']);
    expect(boxesNotes(byHand)).toEqual([expect.stringContaining('held fixed')]);
    const without = await measureHolding(pair(0.2, 0.1), look, { options: {} });
    expect(without.map((r) => r.boxes)).toEqual(['held', 'held']);
  });

  it('fails as it did where choices are not to blame', async () => {
    const broken = [{ name: 'original', model: detector(1) }, { name: 'pruned', model: detector(1, { fault: true }) }]; // prettier-ignore
    await expect(measureHolding(broken, look, { options: {} })).rejects.toMatchObject({ code: 'runtime-rejected' });
  });
});

it('takes measurements of a job in subprocesses where one in its own process fails, and tells how', async () => {
  const asked: unknown[] = [];
  const ctx = {
    executor: plainExecutor,
    inSubprocess: (_: string, input: unknown) => (asked.push(input), Promise.resolve([{ boxes: 'sample' }])),
  } as unknown as StageContext;
  const held = await holdBoxes(ctx, detector(1), { dataset: spotted, batch: 1 });
  const openings: (number | undefined)[] = [];
  const beside = held.comparing({
    compare: async (_, how = {}) => {
      openings.push(how.openings);
      if (how.openings === undefined) throw new SecateurError('runtime-rejected', { reason: 'no boxes' });
      await held.ctx.inSubprocess('measure', { models: [] });
      return {} as never;
    },
    expect: () => undefined,
    close: () => Promise.resolve(),
  });
  await beside.compare(detector(1));
  expect(openings).toEqual([undefined, 2]);
  expect(asked).toEqual([{ models: [], holding: true, sample: await sampleAt(0) }]);
  expect(held.notes()).toEqual([expect.stringContaining('on a sample of the data')]);
});

it('packs the samples that the result runs on, and says where there are none', async () => {
  const session = await plainExecutor.open(detector(0.6));
  try {
    const bright = await sampleAt(0);
    expect(await runnable(session, [dark, bright, dark])).toEqual([bright]);
    await expect(runnable(session, [dark, dark])).rejects.toMatchObject({ code: 'golden-without-boxes' });
  } finally {
    await session.release();
  }
});

it('calls what needs boxes so, and nothing else', async () => {
  const ctx = { executor: plainExecutor } as unknown as StageContext;
  const rejected = () => Promise.reject(new SecateurError('runtime-rejected', { reason: 'cannot broadcast 0' }));
  await expect(holding(rejected)(null, ctx)).rejects.toMatchObject({ code: 'runtime-rejected' });
  const after = holding(async (_: unknown, { executor }: StageContext) => {
    await runIn(executor, detector(1), dark);
    return rejected();
  });
  await expect(after(null, ctx)).rejects.toMatchObject({ code: 'boxes-needed' });
});
