import { expect, it } from 'vitest';
import { prepare } from '../../../../test/support/prune.ts';
import { residualChain } from '../../../../test/support/residual-chain.ts';
import { modelCosts } from '../../engine/ir/costs.ts';
import { elementCount } from '../../engine/ir/dtype.ts';
import { sampleLimits } from './sample-limits.ts';
import type { Prepared } from '../prepare/prepare.ts';

it('asks for as many samples as a model bears, and for more once the plan is chosen', async () => {
  const chain = await prepare(residualChain({ blocks: 4, width: 64 }));
  const batch = chain.facts.get(chain.model.graph.outputs[0]!)!.shape[0]!;
  /** The same model on images with width and height multiplied by this factor. */
  const scaled = (by: number): Prepared => {
    const facts = new Map(
      [...chain.facts].map(([v, f]) => {
        const picture = !v.isInitializer && f.shape.length === 4 && f.shape[2]! > 1;
        return [v, { ...f, shape: picture ? f.shape.map((d, axis) => (axis > 1 ? d * by : d)) : f.shape }];
      }),
    );
    return { ...chain, facts, rewritten: 0 } as unknown as Prepared;
  };
  const limits = (by: number): { macs: number; samples: number; elements: number } => {
    const { model, facts } = scaled(by);
    const macs = modelCosts(model, facts).macs / batch;
    const widest = Math.max(...[...model.graph.nodes()].map((n) => elementCount(facts.get(n.output())!.shape))) / batch;
    return { macs, samples: 4e11 / macs, elements: Math.floor(2.5e8 / widest) };
  };
  const small = limits(1);
  expect(small.macs).toBeLessThan(5e8);
  const most = Math.floor(small.samples);
  expect(sampleLimits(scaled(1), 4096)).toMatchObject({ calibration: 4096, rounds: 4 });
  expect(sampleLimits(scaled(1), 1e7).calibration).toBe(Math.min(most, small.elements));
  const large = limits(8);
  expect(large.macs).toBeGreaterThan(5e8);
  expect(sampleLimits(scaled(8), 1e7).calibration).toBe(Math.floor(1.5e11 / large.macs));
});
