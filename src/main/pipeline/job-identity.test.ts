import { describe, expect, it } from 'vitest';
import type { Recipe } from '../../shared/model/job.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import { canonicalJson } from '../storage/canonical.ts';
import { jobIdentity } from './job-identity.ts';
import { recoverKey } from './recover/recover-stage.ts';

const budget = { ratio: 0.5, percentile: 50, batch: 1, threads: 1, provider: 'cpu' } as const;
const recipe: Recipe = PRESETS.balanced;
const request = { seed: 1, recipe, budget, dims: { H: 48 }, outputs: { y: 'classes' } } as const;
const base = { request, sha256: 'a', data: 'd', samples: 64, batch: 16, threads: 2 } as const;
type Options = Parameters<typeof jobIdentity>[0];

describe('what results are filed under', () => {
  const changes: Record<string, Options> = {
    'the model': { ...base, sha256: 'b' },
    'the data': { ...base, data: 'e' },
    'no data': { ...base, data: null },
    'the number of samples': { ...base, samples: 65 },
    'the size of a batch': { ...base, batch: 8 },
    threads: { ...base, threads: 1 },
    'the seed': { ...base, request: { ...request, seed: 2 } },
    'the share that judges': {
      ...base,
      request: { ...request, recipe: { ...recipe, recovery: { ...recipe.recovery, holdout: 0.3 } } },
    },
    'sizes of dynamic axes': { ...base, request: { ...request, dims: { H: 64 } } },
    'how an output is read': { ...base, request: { ...request, outputs: { y: 'embedding' } } },
    'the batch size of the budget': { ...base, request: { ...request, budget: { ...budget, batch: 4 } } },
  };

  it.each(Object.entries(changes))('changes with %s', (_, changed) => {
    expect(canonicalJson(jobIdentity(changed))).not.toBe(canonicalJson(jobIdentity(base)));
  });

  it('is the same for another budget of the same model', () => {
    const other: Options = { ...base, request: { ...request, budget: { ...budget, ratio: 0.7 } } };
    expect(canonicalJson(jobIdentity(other))).toBe(canonicalJson(jobIdentity(base)));
  });

  it('tells recovered models apart by what they started from', () => {
    const key = (folder: string, r: Recipe = recipe): string =>
      canonicalJson(
        recoverKey({ request: { recipe: r }, compensated: { path: `/home/${folder}/model.onnx` }, identity: jobIdentity(base) }), // prettier-ignore
      );
    // Same plan, other samples in the last compensation: another folder.
    expect(key('compensate-1')).not.toBe(key('compensate-2'));
    expect(key('compensate-1')).toBe(key('compensate-1'));
    const other = { ...recipe, recovery: { ...recipe.recovery, seconds: 7 } };
    expect(key('compensate-1', other)).not.toBe(key('compensate-1'));
  });
});
