/** One evaluator judges both the result and the plans of the floor search. */
import { expect, it } from 'vitest';
import { detector, spotted } from '../../../../test/support/detector.ts';
import { plainExecutor } from '../../../../test/support/executor.ts';
import type { OutputMeaning } from '../../../shared/model/job.ts';
import { openResultEvaluator } from './judge-stage.ts';

const BOXES: OutputMeaning = { name: 'boxes', reading: 'boxes', source: 'given', why: 'set by --output' };

it('holds the choices of the form that plans are cut from, whose values have other names than the original', async () => {
  const source = detector(1, { chosenName: 'as_exported' });
  const prepared = { model: detector(1) };
  const parts = {
    source,
    prepared,
    data: { dataset: spotted, quality: [0, 1, 2] },
    meanings: new Map([['boxes', BOXES]]),
  };
  const judge = (await openResultEvaluator(parts, { threads: 1 }, { executor: plainExecutor }))!;
  try {
    const quality = await judge.evaluate(detector(0.5));
    expect(quality).toMatchObject({ samples: 3, agreement: 0, reading: 'boxes' });
    expect(judge.notes()).toEqual([expect.stringContaining('own boxes on 3 of 3 samples')]);
  } finally {
    await judge.close();
  }
});

it('is none without data', async () => {
  const parts = {
    source: detector(1),
    prepared: { model: detector(1) },
    data: { dataset: null, quality: [] },
    meanings: new Map(),
  };
  await expect(openResultEvaluator(parts, { threads: 1 }, { executor: plainExecutor })).resolves.toBeNull();
});
