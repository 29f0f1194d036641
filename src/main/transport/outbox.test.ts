import { describe, expect, it } from 'vitest';
import { Outbox } from './outbox.ts';

const progress = (fraction: number) => ({ stage: 'latency', fraction, message: '', etaMs: null });

describe('events for a slow window', () => {
  it('keeps the newest progress of each job, and every line and point in order', () => {
    const box = new Outbox();
    box.put('job', { id: 'a', status: 'running', progress: progress(0.1) });
    box.put('job', { id: 'a', status: 'running', progress: null, log: 'one' });
    box.put('job', { id: 'b', status: 'running', progress: progress(0.5) });
    for (let i = 2; i <= 9; i++) box.put('job', { id: 'a', status: 'running', progress: progress(i / 10) });
    box.put('job', { id: 'a', status: 'running', progress: null, log: 'two' });
    box.put('job', { id: 'a', status: 'done', progress: null });
    const out = box.take().map((p) => p.event);
    expect(out).toMatchObject([
      { id: 'a', progress: { fraction: 0.9 } },
      { log: 'one' },
      { id: 'b', progress: { fraction: 0.5 } },
      { log: 'two' },
      { status: 'done' },
    ]);
    expect(box.empty).toBe(true);
    box.put('job', { id: 'a', status: 'running', progress: progress(1) });
    expect(box.take()).toHaveLength(1);
  });

  it('keeps every piece of an answer', () => {
    const box = new Outbox();
    for (const text of ['row', '2 ', 'col5']) box.put('answer', { ask: 'a', text });
    expect(box.take().map(({ event }) => (event as { text: string }).text)).toEqual(['row', '2 ', 'col5']);
  });
});
