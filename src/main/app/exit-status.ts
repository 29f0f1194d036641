// How a utility process ended, out of the one number that Electron tells.
import { constants } from 'node:os';
import type { WorkerExit } from '../jobs/process.ts';

/** Signals that end a process which nobody here has killed. */
const DEATHS = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGSEGV', 'SIGTERM'] as const;

/**
 * Electron hands on what waitpid said, which does not tell an exit code from a signal: 9 may be either. A worker exits with
 * 0 or 1 only, so any other number that is a signal, alone, with the core-dump bit or after 128, is read as one.
 *
 * @param wanted the signal that was sent from here, if one was
 */
export function exitOf(status: number, wanted: NodeJS.Signals | null, platform = process.platform): WorkerExit {
  if (status === 0 || platform === 'win32') return { code: status, signal: status === 0 ? null : wanted };
  const signal = DEATHS.find((name) => (status & 0x7f) === constants.signals[name]) ?? null;
  if (signal !== null) return { code: null, signal };
  return wanted === null ? { code: status, signal: null } : { code: null, signal: wanted };
}
