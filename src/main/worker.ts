// Entry of the worker process: composition only.
import { join } from 'node:path';
import { parentChannel } from './jobs/parent-channel.ts';
import { serveTask } from './jobs/worker-side.ts';
import { openWorker } from './tasks/worker-resources.ts';
import { tasks } from './tasks/index.ts';

serveTask({
  tasks,
  channel: parentChannel(),
  open: (start) => openWorker(start, join(import.meta.dirname, 'session.js')),
  debug: process.env['SECATEUR_DEBUG'] === '1',
});
