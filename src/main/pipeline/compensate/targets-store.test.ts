import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { prepare } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import type { Executor } from '../../engine/executor.ts';
import { ArtifactStore } from '../../storage/artifacts.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';
import type { StageContext } from '../context.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { keyed } from '../../../../test/support/keyed.ts';
import { targetsStage } from './targets-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'secateur-targets-'));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

it('another budget reads what the first one saw', async () => {
  const p = await prepare(residualChain({ blocks: 1, width: 8 }));
  const batches = [1, 2].map((seed) => randomFeeds(p.model, { batch: 4 }, seed));
  const calibration = { input: 'x', size: 4, batches, labels: [], real: true };
  let opened = 0;
  const executor: Executor = { open: (m, o) => (opened++, plainExecutor.open(m, o)) };
  const store = new ArtifactStore(folder);
  const ctx = { executor, artifact: store.get.bind(store) } as unknown as StageContext;
  const of = async (model: string) => {
    const prepared = keyed({ ...p, rewritten: 0, notes: [] } as Prepared, model);
    return (await targetsStage.run({ prepared, calibration: keyed(calibration), threads: keyed(1) }, ctx)).value;
  };
  const first = await of('a');
  const second = await of('a');
  expect(opened).toBe(1);
  expect(first!.size).toBeGreaterThan(2);
  expect(second).toEqual(first);
  await of('b');
  expect(opened).toBe(2);
});
