// Entry of a session's thread: composition only.
import { parentPort } from 'node:worker_threads';
import { serveSession } from './runtime/thread-side.ts';

serveSession(parentPort!);
