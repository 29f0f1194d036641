// Runs tasks in subprocesses as a job's host does. Benchmarks run jobs without a host.
import { join, resolve } from 'node:path';
import { forkSpawner } from '../src/main/jobs/child-process.ts';
import { runTask } from '../src/main/jobs/host.ts';
import { SecateurError } from '../src/shared/contract/errors.ts';

const here = resolve(import.meta.dirname ?? 'bench');
const spawner = forkSpawner({
  worker: join(here, '../scripts/run.mjs'),
  args: [join(here, 'subprocess-worker.ts')],
});

export async function inSubprocess(task: string, input: unknown): Promise<unknown> {
  const ended = await runTask(spawner, { id: 'bench', task, input, home: '' }).done;
  if (ended.kind === 'done') return ended.value;
  throw SecateurError.fromPayload(ended.error);
}
