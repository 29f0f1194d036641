// Utility processes as children of Node, with Electron's port instead of Node's channel.
import { fork, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import type { ForkOptions, UtilityProcess as Real } from 'electron';

type Offered = 'pid' | 'stdout' | 'stderr' | 'kill' | 'postMessage';
class UtilityProcess extends EventEmitter implements Pick<Real, Offered> {
  readonly #child: ChildProcess;
  /** Set once the process runs, as in Electron. */
  pid: number | undefined;

  constructor(path: string, args: string[] = [], options: ForkOptions = {}) {
    super();
    const [, stdout, stderr] = (Array.isArray(options.stdio) ? options.stdio : []) as readonly ('pipe' | undefined)[];
    this.#child = fork(path, args, {
      stdio: ['ignore', stdout ?? 'inherit', stderr ?? 'inherit', 'ipc'],
      serialization: 'advanced',
      env: (options.env as NodeJS.ProcessEnv | undefined) ?? process.env,
      execArgv: ['--import', new URL('./parent-port.ts', import.meta.url).href],
    });
    this.#child.on('spawn', () => {
      this.pid = this.#child.pid;
      this.emit('spawn');
    });
    this.#child.on('message', (m) => this.emit('message', m));
    this.#child.on('error', () => undefined);
    this.#child.on('exit', (code, signal) => {
      this.pid = undefined;
      // Electron reports only the number.
      this.emit('exit', code ?? (signal ? constants.signals[signal] : 1));
    });
  }
  get stdout() {
    return this.#child.stdout;
  }
  get stderr() {
    return this.#child.stderr;
  }
  kill = (): boolean => this.#child.kill('SIGTERM');
  postMessage(message: unknown): void {
    if (this.#child.connected) this.#child.send(message as object, () => undefined);
  }
}

export const utilityProcess = {
  fork: (path: string, args?: string[], options?: ForkOptions) => new UtilityProcess(path, args, options),
};
