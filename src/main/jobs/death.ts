/**
 * Explains, as a catalogue error, why a worker ended before its task did. Memory is named only
 * where it is the likely reason.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { WorkerExit } from './process.ts';

/** Exit codes that mean out of memory: 128 + SIGKILL, as shells and containers pass it on, and two of Windows. */
const MEMORY_CODES = new Map([
  [137, 'exit code 137, as after SIGKILL'],
  [0xc0000017, 'STATUS_NO_MEMORY'],
  [0xc000012d, 'STATUS_COMMITMENT_LIMIT'],
]);
const MEMORY_WORDS = /heap out of memory|bad_alloc|Cannot allocate memory|Failed to allocate memory/i;

/**
 * @param ready whether the worker had started its task, @param words the last lines it printed
 * @returns 'worker-died' for memory, 'worker-crashed' for every other end, 'worker-not-ready' before the task started
 */
export function deathOf(
  exit: WorkerExit,
  failure: Error | undefined,
  ready: boolean,
  words: readonly string[],
  task: string,
): SecateurError {
  const memory = memoryReason(exit, words);
  const how = memory ?? (exit.signal ? `killed by signal ${exit.signal}` : `exit code ${exit.code}`);
  const detail = { how, task, code: exit.code, signal: exit.signal, output: words.slice(-5) };
  if (ready) return new SecateurError(memory ? 'worker-died' : 'worker-crashed', detail);
  return new SecateurError('worker-not-ready', { ...detail, reason: failure?.message ?? how }, { cause: failure });
}

function memoryReason(exit: WorkerExit, words: readonly string[]): string | null {
  if (words.some((w) => MEMORY_WORDS.test(w))) return 'out of memory';
  if (exit.signal === 'SIGKILL') return 'killed by signal SIGKILL, as the system does when memory runs out';
  return (exit.code !== null && MEMORY_CODES.get(exit.code)) || null;
}
