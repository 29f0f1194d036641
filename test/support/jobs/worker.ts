// A worker process whose tasks misbehave in every way that a real one can.
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentChannel } from '../../../src/main/jobs/parent-channel.ts';
import { serveTask } from '../../../src/main/jobs/worker-side.ts';
import { SecateurError } from '../../../src/shared/contract/errors.ts';
import type { StageContext } from '../../../src/main/pipeline/context.ts';
import { ArtifactStore } from '../../../src/main/storage/artifacts.ts';
import { Memo } from '../../../src/main/storage/memo.ts';
import { homePaths } from '../../../src/main/storage/paths.ts';

interface Steps {
  /** File that gets a line for every artifact made. */
  readonly log: string;
  readonly steps: readonly string[];
  /** The step that waits in its middle until `gate` exists; without a gate it does not wait. */
  readonly waitIn?: string;
  readonly gate?: string;
}

const tasks = {
  async steps(input: Steps, ctx: StageContext): Promise<unknown> {
    const folders: string[] = [];
    for (const [i, step] of input.steps.entries()) {
      ctx.progress({ stage: step, message: 'working', done: 0 });
      const folder = await ctx.artifact(step, { step }, async (dir) => {
        writeFileSync(join(dir, 'half.txt'), 'half');
        if (input.waitIn === step && input.gate) {
          appendFileSync(input.log, `waiting ${step} ${process.pid}\n`);
          while (!existsSync(input.gate)) await sleep(20);
        }
        writeFileSync(join(dir, 'value.txt'), `${step} ${i}`);
        appendFileSync(input.log, `made ${step}\n`);
      });
      folders.push(folder);
      ctx.progress({ stage: step, message: 'made', done: 1 });
    }
    return { folders };
  },
  async die(): Promise<void> {
    process.kill(process.pid, 'SIGKILL');
    await sleep(10_000);
  },
  async abort(): Promise<void> {
    process.abort();
  },
  async exit(): Promise<void> {
    process.exit(7);
  },
  async heap(): Promise<void> {
    const held: unknown[] = [];
    for (;;) held.push(Array.from({ length: 100_000 }, (_, i) => ({ i })));
  },
  async refuse(): Promise<void> {
    throw new SecateurError('file-not-found', { path: '/nowhere' });
  },
  async throwError(): Promise<void> {
    throw new RangeError('an unexpected thing');
  },
  /** Blocks this process, as session.run() does. */
  async block(input: { log: string }): Promise<void> {
    appendFileSync(input.log, `blocked ${process.pid}\n`);
    for (;;);
  },
  /** Runs another task in a subprocess; its failure becomes this task's failure. */
  async ask(input: { log?: string; task: string; input: unknown }, ctx: StageContext): Promise<unknown> {
    if (input.log) appendFileSync(input.log, `asking ${process.pid}\n`);
    return { mine: process.pid, answer: await ctx.inSubprocess(input.task, input.input) };
  },
  async pid(): Promise<number> {
    return process.pid;
  },
  async talk(_input: unknown, ctx: StageContext): Promise<string> {
    console.log('printed by the worker');
    console.error('complained by the worker');
    ctx.log('logged by the task');
    ctx.point({ ratio: 0.5, predictedRatio: 0.48, change: null });
    return 'done';
  },
};

/** A measuring kind, which waits for other measuring jobs. */
const measuring = { compress: tasks.steps };

if (process.env['TEST_SILENT_WORKER'] === '1') setInterval(() => undefined, 1000);
else {
  serveTask({
    tasks: { ...tasks, ...measuring },
    channel: parentChannel(),
    debug: false,
    open: async (start) => {
      const artifacts = new ArtifactStore(homePaths(start.home).artifacts);
      await artifacts.sweep();
      return {
        context: {
          executor: { open: () => Promise.reject(new Error('these tasks run no models')) },
          latency: { get: () => undefined, put: () => undefined },
          artifact: (stage, key, make) => artifacts.get(stage, key, make),
          memo: (name, key) => new Memo(join(artifacts.root, '..', 'memo'), name, key),
        },
        expected: { seconds: {}, measured: false },
        finished: () => undefined,
      };
    },
  });
}
