/** The channel of a worker that was forked by a plain Node process. */
import type { HostFrame } from '../../shared/model/frames.ts';
import type { WorkerChannel } from './worker-side.ts';

export function parentChannel(): WorkerChannel {
  if (!process.send) throw new Error('This file is the worker process of Secateur and is started by it.');
  // A terminal sends Ctrl-C to every process in it; the host decides what ends, and tells.
  process.on('SIGINT', () => undefined);
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
