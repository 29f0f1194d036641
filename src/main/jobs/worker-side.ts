/**
 * The worker's side of the frame protocol. One process runs one task and ends. Subtasks run in
 * processes of the host.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { ApartOutcome, HostFrame, WorkerFrame } from '../../shared/model/frames.ts';
import type { StageContext } from '../pipeline/context.ts';
import { EtaEstimator } from './eta.ts';

export type Task = (input: never, ctx: StageContext) => Promise<unknown>;
export type TaskTable = Readonly<Record<string, Task>>;

export interface WorkerChannel {
  send(frame: WorkerFrame): void;
  onFrame(listener: (frame: HostFrame) => void): void;
  /** Fires when the host is gone. */
  onClosed(listener: () => void): void;
  /** Ends the process after all sent frames have left. */
  exit(code: number): void;
}

export interface WorkerResources {
  /** The context without reporting, which this module adds. */
  readonly context: Pick<StageContext, 'executor' | 'latency' | 'artifact' | 'memo'>;
  /** Expected seconds per stage, in order, whether they were measured, and the stages whose seconds are a time limit. */
  readonly expected: {
    readonly seconds: Readonly<Record<string, number>>;
    readonly measured: boolean;
    readonly limited?: readonly string[];
  };
  /** Called when the task has succeeded. */
  finished(seconds: Readonly<Record<string, number>>): void;
}

export interface WorkerOptions {
  readonly tasks: TaskTable;
  readonly channel: WorkerChannel;
  open(start: Extract<HostFrame, { type: 'start' }>): Promise<WorkerResources>;
  /** Sends the stack of unexpected errors as log lines. */
  readonly debug: boolean;
  /** Shortest interval between two progress frames of the same stage, in milliseconds. */
  readonly progressIntervalMs?: number;
}

export function serveTask(options: WorkerOptions): void {
  const { channel } = options;
  let started = false;
  const calls = new Calls(channel);
  // Without a host to report to, the work would only hold memory and disturb measurements.
  channel.onClosed(() => channel.exit(0));
  channel.onFrame((frame) => {
    if (frame.type === 'stop') channel.exit(0);
    else if (frame.type === 'start' && !started) {
      started = true;
      void run(frame, options, calls);
    } else if (frame.type === 'inSubprocess') calls.settle(frame.call, frame.outcome);
  });
  channel.send({ type: 'ready', pid: process.pid });
}

/** Tasks requested from the host. */
class Calls {
  readonly #channel: WorkerChannel;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(e: SecateurError): void }>();
  #last = 0;

  constructor(channel: WorkerChannel) {
    this.#channel = channel;
  }
  ask(task: string, input: unknown): Promise<unknown> {
    const call = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      this.#channel.send({ type: 'inSubprocess', call, task, input });
    });
  }
  settle(call: number, outcome: ApartOutcome): void {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    if (outcome.kind === 'done') waiting?.resolve(outcome.value);
    else waiting?.reject(SecateurError.fromPayload(outcome.error));
  }
}

async function run(start: Extract<HostFrame, { type: 'start' }>, options: WorkerOptions, calls: Calls): Promise<void> {
  const { channel } = options;
  const log = (line: string): void => channel.send({ type: 'log', line });
  try {
    const task = Object.hasOwn(options.tasks, start.task) ? options.tasks[start.task] : undefined;
    if (!task) throw new SecateurError('internal', { reason: `there is no task ${start.task}` });
    const resources = await options.open(start);
    const eta = new EtaEstimator(
      resources.expected.seconds,
      resources.expected.measured,
      Date.now,
      resources.expected.limited,
    );
    const report = throttle(options.progressIntervalMs ?? 100);
    const ctx: StageContext = {
      ...resources.context,
      job: start.id,
      log,
      inSubprocess: (task, input) => calls.ask(task, input),
      point: (point) => channel.send({ type: 'point', point }),
      text: (text) => channel.send({ type: 'text', text }),
      progress: (p) => {
        const { fraction, etaMs } = eta.update(p.stage, p.done);
        if (!report(p.stage, p.done >= 1)) return;
        const progress = { stage: p.stage, message: p.message, fraction, etaMs, finished: eta.finished() };
        channel.send({ type: 'progress', progress });
      },
    };
    const value = await task(start.input as never, ctx);
    resources.finished(eta.seconds());
    channel.send({ type: 'result', value });
  } catch (e) {
    const error = SecateurError.from(e);
    if (options.debug) for (const line of stackOf(e)) log(line);
    channel.send({ type: 'error', error: error.toPayload() });
  }
}

/** Lets through the first report of a stage, its last report, and one per interval in between. */
function throttle(intervalMs: number): (stage: string, end: boolean) => boolean {
  let last = -Infinity;
  let lastStage: string | null = null;
  return (stage, end) => {
    const now = performance.now();
    if (!end && stage === lastStage && now - last < intervalMs) return false;
    last = now;
    lastStage = stage;
    return true;
  };
}

function stackOf(e: unknown): string[] {
  const lines: string[] = [];
  for (let at: unknown = e, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    lines.push(...(depth > 0 ? ['caused by:'] : []), ...(at.stack ?? String(at)).split('\n'));
  }
  return lines;
}
