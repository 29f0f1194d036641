import { describe, expect, it } from 'vitest';
import type { JobRecord } from '../../shared/model/job-record.ts';
import { estimatesFrom } from './estimates.ts';

function job(model: string, recipe: string, macs: number, seconds: Record<string, number>, more = {}): JobRecord {
  const result = { seconds, baseline: { macs }, result: {} };
  const request = { model, recipe: { name: recipe } };
  return { kind: 'compress', status: 'done', request, result, ...more } as unknown as JobRecord;
}
const of = (jobs: JobRecord[], recipe: string) => estimatesFrom(jobs, '/m', 1000).find((e) => e.recipe === recipe);

describe('how long a recipe takes', () => {
  it('is not known before anything was measured', () => {
    expect(of([], 'fast')).toEqual({ recipe: 'fast', seconds: null, from: null });
    const early = job(
      '/m',
      'fast',
      1000,
      { load: 1 },
      { result: { seconds: { load: 1 }, baseline: {}, result: null } },
    );
    expect(of([early], 'fast')).toMatchObject({ seconds: null });
    expect(of([job('/far', 'fast', 1e6, { load: 9 })], 'fast')).toMatchObject({ seconds: null });
  });

  it('is what the longest job of this model took', () => {
    const jobs = [
      job('/m', 'fast', 1000, { load: 1, allocate: 5 }),
      job('/m', 'fast', 1000, { load: 1, allocate: 60 }),
    ];
    expect(of(jobs, 'fast')).toEqual({ recipe: 'fast', seconds: 61, from: 'model' });
  });

  it('comes from models of like size otherwise, with the time that the recipe gives recovery', () => {
    const jobs = [job('/other', 'balanced', 500, { allocate: 50, recover: 20 })];
    expect(of(jobs, 'balanced')).toEqual({ recipe: 'balanced', seconds: 2 * 50 + 300, from: 'others' });
    expect(of(jobs, 'fast')).toMatchObject({ seconds: null });
  });
});
