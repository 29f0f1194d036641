// The real tasks in a worker process, on a machine that is never busy: latencies of whole models are given figures.
import { join } from 'node:path';
import { parentChannel } from '../../../src/main/jobs/parent-channel.ts';
import { serveTask } from '../../../src/main/jobs/worker-side.ts';
import { openWorker } from '../../../src/main/stages/resources.ts';
import { tasks } from '../../../src/main/stages/tasks.ts';
import type { CompressRequest } from '../../../src/shared/model/job.ts';
import type { StageContext } from '../../../src/main/stages/context.ts';
import { steadily } from '../steady-measure.ts';

serveTask({
  tasks: {
    ...tasks,
    compress: (request: CompressRequest, ctx: StageContext) => tasks.compress(request, steadily(ctx)),
  },
  channel: parentChannel(),
  open: (start) => openWorker(start, join(import.meta.dirname, 'session.js')),
  debug: false,
});
