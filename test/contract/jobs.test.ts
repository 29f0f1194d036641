/** Tests jobs with real processes: crashes, cancellation and resuming. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runTask } from '../../src/main/jobs/host.ts';
import { forkSpawner } from '../../src/main/jobs/child-process.ts';
import type { Services } from '../../src/main/services/index.ts';
import { identityOf, isAlive } from '../../src/main/storage/process-identity.ts';
import { openTestServices } from '../support/jobs/open.ts';

let home: string;
let log: string;
const open: Services[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'secateur-jobs-'));
  log = join(home, 'log.txt');
  writeFileSync(log, '');
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const services of open.splice(0)) await services.close();
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
});

function services(options?: Parameters<typeof openTestServices>[1]): Services {
  const s = openTestServices(home, options);
  open.push(s);
  return s;
}

const lines = (): string[] => readFileSync(log, 'utf8').split('\n').filter(Boolean);

async function until<T>(what: string, get: () => T | undefined | false): Promise<T> {
  for (let i = 0; i < 15_000; i++) {
    const value = get();
    if (value) return value;
    await sleep(20);
  }
  throw new Error(`waited 300 s in vain until ${what}`);
}

const waitingPid = (): Promise<number> =>
  until('the task waits', () => Number(/^(?:waiting \w+|blocked) (\d+)$/m.exec(readFileSync(log, 'utf8'))?.[1]));

const steps = (extra: object = {}): object => ({
  log,
  steps: ['a', 'b', 'c'],
  waitIn: 'b',
  gate: join(home, 'gate'),
  ...extra,
});
const openGate = (): void => writeFileSync(join(home, 'gate'), '');
const temporary = (): string[] => readdirSync(join(home, 'artifacts')).filter((n) => n.startsWith('.tmp-'));

/** Starts another process that runs a job. */
async function host(kind: string, input: object): Promise<{ id: string; child: ChildProcess }> {
  const script = join(import.meta.dirname, '../support/jobs/host.ts');
  const child = spawn(process.execPath, [script, home, kind, JSON.stringify(input)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let out = '';
  child.stdout.on('data', (d) => (out += String(d)));
  return { id: await until('the host names its job', () => out.includes('\n') && out.split('\n')[0]), child };
}

describe('a worker that ends before its task', () => {
  it.each([
    ['die', 'worker-died', /SIGKILL/],
    ['abort', 'worker-crashed', /SIGABRT/],
    ['exit', 'worker-crashed', /exit code 7/],
  ])('by %s is a typed result, and the next job runs', async (kind, code, how) => {
    const s = services();
    const outcome = await s.jobs.start(kind, {}).done;
    expect(outcome).toMatchObject({ kind: 'failed', error: { code } });
    expect(outcome.kind === 'failed' && outcome.error.message).toMatch(how);
    expect(s.jobs.show('last')).toMatchObject({ status: 'failed', error: { code } });
    expect(await s.jobs.start('talk', {}).done).toEqual({ kind: 'done', value: 'done' });
  });

  it('for lack of memory says so', async () => {
    const s = services({ execArgv: ['--max-old-space-size=40'] });
    const outcome = await s.jobs.start('heap', {}).done;
    expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'worker-died', detail: { how: 'out of memory' } } });
  });

  it('before it is ready', async () => {
    const missing = forkSpawner({ worker: join(home, 'no-such-worker.js') });
    const outcome = await runTask(missing, { id: 'x', task: 'talk', input: {}, home }).done;
    expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'worker-not-ready' } });
  });

  it('or never says that it is ready', async () => {
    const silent = forkSpawner({
      worker: join(import.meta.dirname, '../support/jobs/worker.ts'),
      env: { TEST_SILENT_WORKER: '1' },
    });
    const outcome = await runTask(silent, { id: 'x', task: 'talk', input: {}, home, readyTimeoutMs: 1500 }).done;
    expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'worker-not-ready' } });
  });
});

/** True when a process with this id exists. */
function running(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a task apart', () => {
  it('runs in a process of its own, and its result is the answer', async () => {
    const outcome = await services().jobs.start('ask', { task: 'pid', input: {} }).done;
    const { mine, answer } = (outcome as { value: { mine: number; answer: number } }).value;
    expect(answer).toBeGreaterThan(0);
    expect(answer).not.toBe(mine);
    expect(running(answer)).toBe(false);
  });

  it.each([
    ['refuse', 'file-not-found'],
    ['die', 'worker-died'],
    ['nothing', 'internal'],
  ])('that fails by %s is an error of the task that asked', async (task, code) => {
    const outcome = await services().jobs.start('ask', { task, input: {} }).done;
    expect(outcome).toMatchObject({ kind: 'failed', error: { code } });
  });

  it('ends with a cancelled job, even while its event loop is blocked', async () => {
    const s = services();
    const { done, cancel } = s.jobs.start('ask', { task: 'block', input: { log } });
    const pid = await waitingPid();
    expect(running(pid)).toBe(true);
    cancel();
    expect(await done).toMatchObject({ kind: 'cancelled' });
    expect(running(pid)).toBe(false);
  });

  it('ends with the worker that asked for it', async () => {
    const s = services();
    const { done } = s.jobs.start('ask', { log, task: 'block', input: { log } });
    const pid = await waitingPid();
    const asking = Number(/^asking (\d+)$/m.exec(readFileSync(log, 'utf8'))?.[1]);
    expect(asking).toBeGreaterThan(0);
    process.kill(asking, 'SIGKILL');
    expect(await done).toMatchObject({ kind: 'failed', error: { code: 'worker-died' } });
    expect(running(pid)).toBe(false);
  });
});

describe('a task', () => {
  it('that throws a catalogue error delivers it whole', async () => {
    const outcome = await services().jobs.start('refuse', {}).done;
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: { code: 'file-not-found', message: 'There is no file at /nowhere.', detail: { path: '/nowhere' } },
    });
  });

  it('that throws anything else is an internal error with its reason', async () => {
    const outcome = await services().jobs.start('throwError', {}).done;
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: { code: 'internal', detail: { reason: 'an unexpected thing' } },
    });
  });

  it('nobody knows is refused', async () => {
    expect(await services().jobs.start('nothing', {}).done).toMatchObject({
      kind: 'failed',
      error: { code: 'internal' },
    });
    expect(await services().jobs.start('toString', {}).done).toMatchObject({
      kind: 'failed',
      error: { code: 'internal' },
    });
  });

  it('that prints reaches the log and not our output', async () => {
    const heard: string[] = [];
    await services().jobs.start('talk', {}, { onLog: (line) => heard.push(line) }).done;
    expect(heard.sort()).toEqual(['complained by the worker', 'logged by the task', 'printed by the worker']);
  });

  it('that measures plans tells of each', async () => {
    const told: unknown[] = [];
    await services().jobs.start('talk', {}, { onPoint: (p) => told.push(p) }).done;
    expect(told).toEqual([{ ratio: 0.5, predictedRatio: 0.48, change: null }]);
  });

  it('reports progress that never goes back and ends at 1', async () => {
    openGate();
    const seen: number[] = [];
    await services().jobs.start('steps', steps(), { onProgress: (p) => seen.push(p.fraction) }).done;
    expect(seen.length).toBeGreaterThanOrEqual(6);
    expect(seen).toEqual([...seen].sort((x, y) => x - y));
    expect(seen.at(-1)).toBe(1);
  });
});

describe('resume', () => {
  it('after kill -9 of the worker repeats only the stage under way', async () => {
    const s = services();
    const handle = s.jobs.start('steps', steps());
    process.kill(await waitingPid(), 'SIGKILL');
    expect(await handle.done).toMatchObject({ kind: 'failed', error: { code: 'worker-died' } });
    expect(lines().filter((l) => l.startsWith('made'))).toEqual(['made a']);
    openGate();
    const again = await s.jobs.resume(handle.id);
    expect(again.id).toBe(handle.id);
    const outcome = await again.done;
    expect(outcome.kind).toBe('done');
    expect(lines().filter((l) => l.startsWith('made'))).toEqual(['made a', 'made b', 'made c']);
    expect(s.jobs.show(handle.id)).toMatchObject({ status: 'done', attempts: 2, error: null });
    expect(temporary()).toEqual([]);
  });

  it('after kill -9 of the host: the job is interrupted, its worker ends, and the rest is done here', async () => {
    const { id, child } = await host('steps', steps());
    const worker = identityOf(await waitingPid());
    const s = services();
    expect(s.jobs.show(id)).toMatchObject({ status: 'running', ownerPid: child.pid, workerPid: worker.pid });
    await expect(s.jobs.resume(id)).rejects.toMatchObject({ code: 'job-running' });
    child.kill('SIGKILL');
    await until('the job is interrupted', () => s.jobs.show(id).status === 'interrupted');
    await until('the worker has ended by itself', () => !isAlive(worker));
    openGate();
    expect((await (await s.jobs.resume(id)).done).kind).toBe('done');
    expect(lines().filter((l) => l.startsWith('made'))).toEqual(['made a', 'made b', 'made c']);
  });

  it('ends a worker that outlived its host because it is blocked', async () => {
    const { id, child } = await host('block', { log });
    const worker = identityOf(await waitingPid());
    child.kill('SIGKILL');
    const s = services();
    await until('the job is interrupted', () => s.jobs.show(id).status === 'interrupted');
    expect(isAlive(worker)).toBe(true);
    const again = await s.jobs.resume(id);
    expect(isAlive(worker)).toBe(false);
    await until('the task runs again', () => lines().length === 2);
    again.cancel();
    expect((await again.done).kind).toBe('cancelled');
  });

  it('of a finished or unknown job is refused', async () => {
    const s = services();
    const handle = s.jobs.start('talk', {});
    await handle.done;
    await expect(s.jobs.resume(handle.id)).rejects.toMatchObject({ code: 'job-done' });
    await expect(s.jobs.resume('no-such-job')).rejects.toMatchObject({ code: 'job-not-found' });
  });
});

describe('cancel', () => {
  it('ends a task that reacts to nothing, and the job can go on later', async () => {
    const s = services();
    const handle = s.jobs.start('block', { log });
    const worker = identityOf(await waitingPid());
    handle.cancel();
    expect(await handle.done).toMatchObject({ kind: 'cancelled', error: { code: 'cancelled' } });
    expect(isAlive(worker)).toBe(false);
    expect(s.jobs.show(handle.id).status).toBe('cancelled');
  });

  it('of a job that waits in the queue never starts it', async () => {
    const s = services();
    const first = s.jobs.start('block', { log });
    const second = s.jobs.start('steps', steps());
    await waitingPid();
    expect((await s.jobs.cancel(second.id)).status).toBe('cancelled');
    await s.jobs.cancel(first.id);
    expect((await second.done).kind).toBe('cancelled');
    expect(lines().filter((l) => /^made|^waiting/.test(l))).toEqual([]);
  });

  it('reaches a job that another process runs', async () => {
    const { id, child } = await host('block', { log });
    const worker = identityOf(await waitingPid());
    expect(await services().jobs.cancel(id)).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } });
    expect(isAlive(worker)).toBe(false);
    // The host survives the death of its worker, receives the error and ends by itself.
    await until('the host has ended', () => child.exitCode === 0);
    await expect(services().jobs.cancel(id)).rejects.toMatchObject({ code: 'job-not-running' });
  });
});

it('runs one measuring job at a time, whichever process started it', async () => {
  const { id, child } = await host('compress', steps());
  await waitingPid();
  const waiting: string[] = [];
  const s = services();
  const mine = s.jobs.start('compress', { log, steps: ['mine'] }, { onWaiting: (other) => waiting.push(other) });
  await until('the job waits', () => waiting.length > 0);
  // The other job does not measure, so it need not wait.
  expect(s.jobs.show(mine.id).status).toBe('queued');
  expect(await services().jobs.start('talk', {}).done).toEqual({ kind: 'done', value: 'done' });
  expect(lines().filter((l) => l === 'made mine')).toEqual([]);
  openGate();
  expect((await mine.done).kind).toBe('done');
  await until('the host has ended', () => child.exitCode === 0);
  expect(waiting).toEqual([id]);
  expect(lines().filter((l) => l.startsWith('made'))).toEqual(['made a', 'made b', 'made c', 'made mine']);
});

it('survives kill -9 of host and worker at any moment', async () => {
  openGate();
  const many = { log, steps: Array.from({ length: 12 }, (_, i) => `s${i}`) };
  let interrupted = 0;
  for (const [round, delay] of [1, 20, 45, 80, 130, 200].entries()) {
    const { id, child } = await host('steps', many);
    await sleep(delay);
    child.kill('SIGKILL');
    await until('the host is gone', () => child.signalCode ?? child.exitCode !== null);
    const s = services();
    // The job is either finished or can be finished.
    if (s.jobs.show(id).status !== 'done') {
      interrupted++;
      const outcome = await (await s.jobs.resume(id)).done;
      expect(outcome, `round ${round}`).toMatchObject({ kind: 'done' });
    }
    const result = s.jobs.show(id).result as { folders: string[] };
    expect(result.folders.map((f) => readFileSync(join(f, 'value.txt'), 'utf8'))).toEqual(
      many.steps.map((step, i) => `${step} ${i}`),
    );
  }
  expect(interrupted).toBeGreaterThan(0);
  await until('nothing half-made is left', () => {
    services()
      .storage.prune(0)
      .catch(() => undefined);
    return temporary().length === 0;
  });
});

describe('a short task that nobody waits for any more', () => {
  it('ends with its process, which reacts to nothing', async () => {
    const s = services();
    const abandon = new AbortController();
    const run = s.jobs.run('block', { log }, {}, abandon.signal);
    const ended = expect(run).rejects.toMatchObject({ code: 'cancelled' });
    const pid = await waitingPid();
    const { done } = s.jobs.transient('pid', {});
    abandon.abort();
    await ended;
    expect(isAlive(identityOf(pid))).toBe(false);
    expect((await done).kind).toBe('done');
  });

  it('does not begin when it was abandoned before', async () => {
    const s = services();
    await expect(s.jobs.run('block', { log }, {}, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
  });
});
