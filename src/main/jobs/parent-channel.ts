/** The channel from a worker to its parent: a plain Node process, or Electron's main process. */
import type { HostFrame } from '../../shared/model/frames.ts';
import type { WorkerChannel } from './worker-side.ts';

/**
 * The type of `process.parentPort` in a utility process. Electron's own types stay out of this
 * folder.
 */
interface ParentPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (event: { readonly data: unknown }) => void): unknown;
}

/** Opens the channel. Throws when the process was not started by a parent. */
export function parentChannel(): WorkerChannel {
  // A terminal sends Ctrl-C to all its processes; the host decides which of them end.
  process.on('SIGINT', () => undefined);
  const port = (process as { parentPort?: ParentPort }).parentPort;
  return port ? portChannel(port) : nodeChannel();
}

function nodeChannel(): WorkerChannel {
  if (!process.send) throw new Error('This file is the worker process of Secateur and is started by it.');
  // The host may have died between two frames.
  process.on('error', () => process.exit(0));
  return {
    send: (frame) => {
      if (process.connected) process.send?.(frame, undefined, undefined, () => undefined);
    },
    onFrame: (listener) => void process.on('message', (m) => listener(m as HostFrame)),
    onClosed: (listener) => void process.on('disconnect', listener),
    exit: (code) => process.exit(code),
  };
}

function portChannel(port: ParentPort): WorkerChannel {
  return {
    send: (frame) => port.postMessage(frame),
    onFrame: (listener) => void port.on('message', (e) => listener(e.data as HostFrame)),
    // Chromium ends a utility process whose host is gone, from a thread that session.run() does not
    // block.
    onClosed: () => undefined,
    exit: (code) => process.exit(code),
  };
}
