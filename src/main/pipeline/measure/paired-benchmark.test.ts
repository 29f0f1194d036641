import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { leastMeasure, openPairedBenchmark, type CompareOptions, type Pair } from './paired-benchmark.ts';

it('a model that is known to be slow is looked at in this process, also the first time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
  try {
    const path = join(folder, 'model.onnx');
    const model = residualChain();
    saveModelFile(model, path);
    const asked: string[] = [];
    const apart = (task: string): Promise<never> => {
      asked.push(task);
      return Promise.reject(new Error('another process'));
    };
    const budget = { ratio: 0.5, percentile: 50, threads: 1, provider: 'cpu', batch: 1 } as const;
    const beside = openPairedBenchmark({ model: path, budget }, { inSubprocess: apart });
    await expect(beside.compare(model, { runs: 6 })).rejects.toThrow('another process');
    beside.expect(1000);
    const pair = await beside.compare(model, { runs: 6, absolute: false });
    await beside.close();
    expect(asked).toEqual(['measure']);
    expect(pair.ratio).toBeGreaterThan(0);
    expect(pair.pruned.runs).toBeGreaterThanOrEqual(6);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it.each([
  ['plainly within reach', 0.3, 1],
  ['plainly out of reach', 0.6, 1],
  ['near the budget', 0.497, 2],
  ['a little over it', 0.505, 2],
])('the fastest plan is looked at for longer only where that decides: %s', async (_name, ratio, looks) => {
  const asked: (CompareOptions | undefined)[] = [];
  const compare = (_model: unknown, o?: CompareOptions): Promise<Pair> => {
    asked.push(o);
    return Promise.resolve({ ratio: ratio + 0.001 * asked.length } as Pair);
  };
  const pair = await leastMeasure(residualChain(), compare, 0.5);
  expect(asked).toHaveLength(looks);
  expect(pair.ratio).toBeCloseTo(ratio + 0.001 * looks, 9);
  if (looks === 2) expect(asked[1]!.openings!).toBeGreaterThan(1);
});
