// A worker process with the real tasks, in which latencies of whole models are fixed figures.
import { join } from 'node:path';
import { parentChannel } from '../../../src/main/jobs/parent-channel.ts';
import { serveTask, type TaskTable } from '../../../src/main/jobs/worker-side.ts';
import { openWorker } from '../../../src/main/tasks/worker-resources.ts';
import { tasks } from '../../../src/main/tasks/index.ts';
import type { StageContext } from '../../../src/main/pipeline/context.ts';
import { steadily, steadyTable } from '../steady-measure.ts';

const steady = Object.entries(tasks as TaskTable).map(([name, task]) => [
  name,
  (input: never, ctx: StageContext) => task(input, { ...steadily(ctx), latency: steadyTable }),
]);

serveTask({
  tasks: Object.fromEntries(steady) as TaskTable,
  channel: parentChannel(),
  open: (start) => openWorker(start, join(import.meta.dirname, 'session.js')),
  debug: false,
});
