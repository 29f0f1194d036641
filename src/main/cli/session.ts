/** State shared by all commands: services opened on first use, progress, output, Ctrl-C. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Services } from '../services/index.ts';
import type { JobHandle, JobListeners } from '../services/jobs.ts';
import { valueOf } from '../services/jobs.ts';
import type { CliIo } from './io.ts';
import { ProgressView } from './progress.ts';

type Serve = (
  services: Services,
  port: number,
  log: (line: string) => void,
) => Promise<{ url: string; close(): Promise<void> }>;

export class Session {
  readonly io: CliIo;
  readonly progress: ProgressView;
  readonly #open: () => Services;
  #services: Services | undefined;
  #current: JobHandle | undefined;
  #interrupted = false;
  /** Set by the command that ran. */
  exitCode = 0;

  readonly #serve: Serve | undefined;
  #ended: (() => void) | undefined;

  constructor(io: CliIo, open: () => Services, serve?: Serve) {
    this.io = io;
    this.#serve = serve;
    this.progress = new ProgressView(io);
    this.#open = open;
  }

  get services(): Services {
    return (this.#services ??= this.#open());
  }

  /** Prints exactly one document on standard output. */
  print(json: boolean | undefined, document: unknown, text: () => string): void {
    this.progress.clear();
    this.io.out(json ? `${JSON.stringify(document, null, 2)}\n` : text());
  }

  note(text: string): void {
    this.progress.line(text);
  }

  listeners(): JobListeners {
    return {
      onProgress: (p) => this.progress.update(p),
      onLog: (line) => {
        if (this.io.debug) this.progress.line(line);
      },
      onWaiting: (other) => this.progress.line(`Waiting for job ${other}: latency is measured by one job at a time.`),
    };
  }

  /** Waits for a job and returns its value, or throws its error. Ctrl-C cancels the job. */
  async follow<T>(handle: JobHandle): Promise<T> {
    this.#current = handle;
    try {
      if (this.#interrupted) handle.cancel();
      return valueOf(await handle.done) as T;
    } finally {
      this.#current = undefined;
      this.progress.clear();
    }
  }

  /** Serves the window until the user interrupts. */
  async serve(port: number, onOpen: (url: string) => void): Promise<void> {
    if (!this.#serve) throw new SecateurError('usage', { reason: 'the window cannot be served from here' });
    const served = await this.#serve(this.services, port, (line) => this.note(line));
    onOpen(served.url);
    await new Promise<void>((done) => {
      this.#ended = done;
      if (this.#interrupted) done();
    });
    await served.close();
  }

  /** Handles the user's request to end. */
  interrupt(): void {
    this.#interrupted = true;
    this.#ended?.();
    this.#current?.cancel();
  }

  /** Throws `cancelled` after an interrupt; called between steps that have no job. */
  checkpoint(): void {
    if (this.#interrupted) throw new SecateurError('cancelled');
  }

  async close(): Promise<void> {
    await this.#services?.close();
  }
}
