import { describe, expect, it } from 'vitest';
import type { JobDetail } from '../../shared/contract/routes.ts';
import type { CompressReport } from '../../shared/model/job.ts';
import { canResume } from '../../shared/contract/resumable.ts';
import { stageRows, timeLeft } from './run-view.ts';
import { recall, remember } from './view-memory.ts';

const ORDER = ['load', 'baseline', 'allocate', 'evaluate', 'recover', 'bundle'];
const running = (stage: string, finished: string[]) => ({
  status: 'running' as const,
  progress: { stage, fraction: 0.5, message: '', etaMs: null, finished },
});
const states = (...args: Parameters<typeof stageRows>): string =>
  stageRows(...args)
    .map((r) => ({ open: '.', now: '*', done: 'x', skipped: '-' })[r.state] + (r.now ? '!' : ''))
    .join(' ');

describe('the stages of a job', () => {
  it('are ticked when they are over, and stay ticked when one is repeated', () => {
    expect(states(ORDER, running('allocate', ['load', 'baseline']), null)).toBe('x x *! . . .');
    expect(states(ORDER, running('allocate', ['load', 'baseline', 'allocate', 'evaluate']), null)).toBe('x x x! x . .');
  });

  it('are not ticked when they did not run', () => {
    const done = { status: 'done' as const, progress: null };
    const report = { seconds: { load: 1, baseline: 2, allocate: 3, evaluate: 1, bundle: 1 } } as unknown;
    expect(states(ORDER, done, report as CompressReport)).toBe('x x x x - x');
    const unreachable = { seconds: { load: 1, baseline: 2 } } as unknown as CompressReport;
    expect(states(ORDER, done, unreachable)).toBe('x x - - - -');
    const failed = { status: 'failed', progress: running('evaluate', ['load', 'baseline']).progress } as const;
    expect(states(ORDER, failed, null)).toBe('x x . . . .');
  });
});

describe('the time left', () => {
  it('is counted down between two reports, and never says nothing is left', () => {
    expect([timeLeft(null, 0, 9), timeLeft(60_000, 1000, 11_000), timeLeft(5000, 0, 9000)]).toEqual([
      null,
      50_000,
      1000,
    ]);
  });
});

describe('resuming', () => {
  const job = (status: JobDetail['status'], code?: string) => ({ status, error: code === undefined ? null : { code } });
  it.each([
    ['cancelled', 'cancelled', true],
    ['interrupted', 'interrupted', true],
    ['failed', 'worker-died', true],
    ['failed', 'file-unwritable', true],
    ['failed', 'data-labels', false],
    ['failed', 'preprocess-invalid', false],
    ['failed', 'model-invalid', false],
    ['failed', 'out-unusable', false],
    ['failed', 'internal', false],
    ['done', undefined, false],
    ['running', undefined, false],
  ] as const)('a job that is %s (%s): %s', (status, code, can) => expect(canResume(job(status, code))).toBe(can));
});

describe('a reload', () => {
  it('comes back to the page and the job', () => {
    const held = new Map<string, string>();
    const store = {
      getItem: (k: string) => held.get(k) ?? null,
      setItem: (k: string, v: string) => void held.set(k, v),
    };
    expect(recall(store)).toBeNull();
    remember({ page: 'run', job: 'j' }, store);
    expect(recall(store)).toEqual({ page: 'run', job: 'j' });
    for (const text of ['', 'null', '{', '{"page":"nowhere"}', '7']) {
      for (const key of held.keys()) held.set(key, text);
      expect(recall(store)).toBeNull();
    }
  });
});
