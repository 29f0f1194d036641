/** Ctrl-C and other termination requests. */

/**
 * One Ctrl-C may arrive several times within this time: from the terminal, from npm and from the
 * launcher.
 */
const SAME_PRESS_MS = 700;

export function onInterrupt(listener: (signal: 'SIGINT' | 'SIGTERM') => void): void {
  let presses = 0;
  let last = -Infinity;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - last < SAME_PRESS_MS) return;
      last = now;
      // A second request ends the process at once. The worker ends with this process.
      if (++presses > 1) process.exit(signal === 'SIGINT' ? 130 : 143);
      listener(signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
    });
  }
  // When the launcher was killed, no one waits for the result. The job stays resumable.
  if (process.channel) {
    process.on('disconnect', () => {
      if (process.exitCode === undefined) process.exit(143);
    });
    process.channel.unref();
  }
}
