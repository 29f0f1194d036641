/** Detectors whose graph does not run without boxes: a cut model that finds none is judged and does not end the job. */
import { expect, it } from 'vitest';
import { detector, spotted } from '../../../../test/support/detector.ts';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { compareModels } from '../../pipeline/evaluate/evaluate.ts';

it('counts samples without boxes, and compares numbers with the choices of the original', async () => {
  const got = await compareModels(detector(1), detector(0.5), { executor: plainExecutor, dataset: spotted });
  expect(got.original).toMatchObject({ samples: 3, agreement: 1 });
  expect(got.pruned).toMatchObject({ samples: 3, agreement: 0 });
  expect(got.notes).toEqual([expect.stringContaining('own boxes on 3 of 3 samples')]);
  // Boxes and scores at the same positions are similar; without any boxes, the SNR would be 0 dB.
  expect(got.pruned.snrDb).toBeGreaterThan(3);
});

it('says nothing where the cut model runs, and lets other faults through', async () => {
  const same = await compareModels(detector(1), detector(0.9), { executor: plainExecutor, dataset: spotted });
  expect(same.pruned.agreement).toBe(1);
  expect(same.notes).toEqual([]);
  const broken = compareModels(detector(1), detector(1, { fault: true }), {
    executor: plainExecutor,
    dataset: spotted,
  });
  await expect(broken).rejects.toMatchObject({ code: 'runtime-rejected' });
});
