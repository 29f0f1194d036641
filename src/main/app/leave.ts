// Quitting the app: the user confirms the loss of a running job, and everything is closed before
// the process ends.
import { app, type BrowserWindow } from 'electron';

export interface LeaveOptions {
  /** Number of jobs that would be lost. */
  readonly busy: () => number;
  readonly ask: (window: BrowserWindow, jobs: number) => Promise<boolean>;
}

/**
 * Keeps the window open while the user is asked about jobs that would be lost, and quits when the
 * user confirms.
 */
export function guardWindow(window: BrowserWindow, { busy, ask }: LeaveOptions): void {
  let asking = false;
  let leaving = false;
  window.on('close', (event) => {
    const jobs = leaving ? 0 : busy();
    if (jobs === 0) return;
    event.preventDefault();
    if (asking) return;
    asking = true;
    void ask(window, jobs)
      .then((leave) => {
        leaving = leave;
        if (leave) app.quit();
      })
      .finally(() => (asking = false));
  });
}

/**
 * Closes services before the app quits. `close` may take time (workers end, the database is
 * written), but at most `limitMs`.
 */
export function closeBeforeQuit(close: () => Promise<void>, limitMs = 15_000): void {
  let state: 'open' | 'closing' | 'closed' = 'open';
  app.on('will-quit', (event) => {
    if (state === 'closed') return;
    event.preventDefault();
    if (state === 'closing') return;
    state = 'closing';
    const limit = new Promise((done) => setTimeout(done, limitMs));
    void Promise.race([close(), limit])
      .catch((e: unknown) => console.error(e))
      .finally(() => {
        state = 'closed';
        app.quit();
      });
  });
}
