/** Ctrl-C and other requests to end. */

/** One Ctrl-C may arrive several times: from the terminal, from npm and from the launcher. */
const SAME_PRESS_MS = 700;

export function onInterrupt(listener: (signal: 'SIGINT' | 'SIGTERM') => void): void {
  let presses = 0;
  let last = -Infinity;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - last < SAME_PRESS_MS) return;
      last = now;
      // Asked again while it ends, the user means at once. The worker ends with this process.
      if (++presses > 1) process.exit(signal === 'SIGINT' ? 130 : 143);
      listener(signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
    });
  }
  // The launcher was killed: nobody waits for the result. The job stays resumable.
  if (process.channel) {
    process.on('disconnect', () => {
      if (process.exitCode === undefined) process.exit(143);
    });
    process.channel.unref();
  }
}
