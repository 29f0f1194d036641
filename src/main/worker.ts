// Entry of the worker process: composition only.
import { parentChannel } from './jobs/parent-channel.ts';
import { serveTask } from './jobs/worker-side.ts';
import { openWorker } from './stages/resources.ts';
import { tasks } from './stages/tasks.ts';

serveTask({
  tasks,
  channel: parentChannel(),
  open: openWorker,
  debug: process.env['SECATEUR_DEBUG'] === '1',
});
