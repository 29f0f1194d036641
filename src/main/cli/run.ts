/** Runs one command line. Every failure becomes one sentence, a remedy, a code and an exit code; never a stack trace. */
import { CommanderError } from 'commander';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Services } from '../services/index.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import type { CliIo } from './io.ts';
import { buildProgram } from './program.ts';
import { Session } from './session.ts';

export interface RunOptions {
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  readonly io: CliIo;
  readonly version: string;
  open(): Services;
  /** Serves the window over HTTP. */
  serve?(
    services: Services,
    port: number,
    log: (line: string) => void,
  ): Promise<{ url: string; close(): Promise<void> }>;
  /** Registers a listener for requests to end; it may be called more than once. */
  onInterrupt?(listener: (signal: 'SIGINT' | 'SIGTERM') => void): void;
}

/** Resolves with the exit code; never rejects. */
export async function runCli(options: RunOptions): Promise<number> {
  const { args, io } = options;
  const session = new Session(io, options.open, options.serve);
  let interrupted: number | null = null;
  options.onInterrupt?.((signal) => {
    interrupted = signal === 'SIGINT' ? EXIT.sigint : EXIT.sigterm;
    session.interrupt();
  });
  let code: number;
  try {
    await buildProgram(session, options.version).parseAsync([...args], { from: 'user' });
    code = session.exitCode;
  } catch (e) {
    code = report(e, args, session);
    if (code === EXIT.cancelled && interrupted !== null) code = interrupted;
  }
  try {
    await session.close();
  } catch (e) {
    code = report(e, args, session);
  }
  return code;
}

function report(thrown: unknown, args: readonly string[], session: Session): number {
  const { io } = session;
  session.progress.clear();
  let error: SecateurError;
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0) return EXIT.ok;
    // Commander has already printed the help on stderr when no command was given.
    const reason =
      thrown.code === 'commander.help'
        ? 'no command was given'
        : thrown.message
            .replace(/^error: /, '')
            .replace(/\.\s*$/, '')
            .replace(/\n/g, ' ');
    error = new SecateurError('usage', { reason });
  } else error = SecateurError.from(thrown);
  const { code, message, remedy, detail } = error.toPayload();
  if (wantsJson(args)) io.out(`${JSON.stringify({ ok: false, error: { code, message, remedy, detail } }, null, 2)}\n`);
  io.err(`${message}\n${remedy}\n(${code})\n`);
  if (io.debug) io.err(`${stackOf(thrown)}\n`);
  // For `verify`, a broken bundle is a result and not an error.
  if (code.startsWith('bundle-') && args[0] === 'verify') return EXIT.verifyFailed;
  return exitCodeOf(code);
}

/** Reads the arguments directly because commander may have failed before it parsed them. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).includes('--json');
}

function stackOf(e: unknown): string {
  if (!(e instanceof Error)) return String(e);
  return e.cause === undefined ? (e.stack ?? e.message) : `${e.stack}\ncaused by: ${stackOf(e.cause)}`;
}
