import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Events } from '../../shared/contract/routes.ts';
import type { Parcel } from '../transport/outbox.ts';
import { Batches } from './batches.ts';

const job = (id: string, fraction: number, log?: string): Events['job'] => ({
  id,
  status: 'running',
  progress: log === undefined ? { stage: 'scores', fraction, message: '', etaMs: null } : null,
  ...(log !== undefined && { log }),
});

describe('batches of events', () => {
  let sent: { number: number; batch: readonly Parcel[] }[];
  let batches: Batches;
  beforeEach(() => {
    vi.useFakeTimers();
    sent = [];
    batches = new Batches((number, batch) => sent.push({ number, batch }));
  });
  afterEach(() => vi.useRealTimers());

  it('wait until a page listens', () => {
    batches.put('jobs', { paused: true });
    expect(sent).toEqual([]);
    batches.listen();
    expect(sent).toEqual([{ number: 1, batch: [{ topic: 'jobs', event: { paused: true } }] }]);
  });

  it('are not sent before the last one was taken, nor sooner than 50 ms after it', () => {
    batches.listen();
    batches.put('job', job('a', 0.1));
    batches.put('job', job('a', 0.2));
    vi.advanceTimersByTime(1000);
    expect(sent).toHaveLength(1);
    batches.taken(7);
    expect(sent).toHaveLength(1);
    batches.taken(1);
    expect(sent).toHaveLength(2);
    batches.taken(2);
    batches.put('job', job('a', 0.3));
    vi.advanceTimersByTime(40);
    expect(sent).toHaveLength(2);
    vi.advanceTimersByTime(20);
    expect(sent).toHaveLength(3);
  });

  it('replace progress by newer progress of the same job, and lose no line and no command', () => {
    batches.listen();
    batches.put('jobs', { paused: false });
    for (let i = 0; i < 100; i++) {
      batches.put('job', job('a', i / 100));
      batches.put('job', job('b', i / 200));
      batches.put('job', job('a', 0, `line ${i}`));
    }
    batches.put('menu', { command: 'help' });
    batches.put('menu', { command: 'export' });
    batches.taken(1);
    vi.advanceTimersByTime(100);
    const events = sent[1]!.batch.map((p) => p.event as Events['job'] & Events['menu']);
    expect(events.filter((e) => e.log !== undefined).map((e) => e.log)).toEqual(
      Array.from({ length: 100 }, (_, i) => `line ${i}`),
    );
    expect(events.filter((e) => e.progress).map((e) => [e.id, e.progress!.fraction])).toEqual([
      ['a', 0.99],
      ['b', 0.495],
    ]);
    expect(events.filter((e) => e.command).map((e) => e.command)).toEqual(['help', 'export']);
  });

  it('go on with a page that was loaded again, whatever the one before had taken', () => {
    batches.listen();
    batches.put('jobs', { paused: true });
    batches.put('jobs', { paused: false });
    batches.listen();
    vi.advanceTimersByTime(100);
    expect(sent.map((s) => s.number)).toEqual([1, 2]);
    // A late acknowledgement from the closed page.
    batches.put('jobs', { paused: true });
    batches.taken(1);
    vi.advanceTimersByTime(100);
    expect(sent).toHaveLength(2);
  });

  it('end with the window', () => {
    batches.listen();
    batches.put('jobs', { paused: true });
    batches.taken(1);
    batches.put('jobs', { paused: true });
    batches.stop();
    vi.advanceTimersByTime(1000);
    expect(sent).toHaveLength(1);
    batches.listen();
    expect(sent).toHaveLength(1);
  });
});
