// Decodes the single number that Electron reports for the end of a utility process.
import { constants } from 'node:os';
import type { WorkerExit } from '../jobs/process.ts';

/** Signals that end a process without a kill from the app. */
const DEATHS = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGSEGV', 'SIGTERM'] as const;

/**
 * Electron passes on the status of waitpid, in which an exit code and a signal look alike: 9 may be
 * either. A worker exits with 0 or 1 only, so any other number that is a signal, alone, with the
 * core-dump bit or after 128, is decoded as a signal.
 *
 * @param wanted the signal that the app sent, if any
 */
export function exitOf(status: number, wanted: NodeJS.Signals | null, platform = process.platform): WorkerExit {
  if (status === 0 || platform === 'win32') return { code: status, signal: status === 0 ? null : wanted };
  const signal = DEATHS.find((name) => (status & 0x7f) === constants.signals[name]) ?? null;
  if (signal !== null) return { code: null, signal };
  return wanted === null ? { code: status, signal: null } : { code: null, signal: wanted };
}
