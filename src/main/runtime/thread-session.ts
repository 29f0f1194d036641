/**
 * A session on its own thread. The runtime's `run` blocks the calling thread. Several of these sessions run at once,
 * which is faster than several threads in one session where its operators are small.
 */
import { Worker } from 'node:worker_threads';
import type { ExecSession, HostTensor } from '../engine/executor.ts';
import { runtimeError } from './errors.ts';
import { dtypeOf } from './tensors.ts';
import type { ModelNames, ThreadReply, ThreadRequest } from './thread-side.ts';

type Waiting = { resolve(r: ThreadReply): void; reject(e: unknown): void };

export class ThreadSession implements ExecSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly outputDtypes: ReadonlyMap<string, number>;
  readonly #ask: (r: ThreadRequest) => Promise<ThreadReply>;

  private constructor(models: readonly ModelNames[], ask: (r: ThreadRequest) => Promise<ThreadReply>) {
    const inner = new Set(models.slice(0, -1).flatMap((m) => m.outputs.map(([name]) => name)));
    const last = models.at(-1)!;
    this.inputNames = [...new Set(models.flatMap((m) => m.inputs))].filter((name) => !inner.has(name));
    this.outputNames = last.outputs.map(([name]) => name);
    this.outputDtypes = new Map(last.outputs.flatMap(([name, type]) => (type ? [[name, dtypeOf(type)]] : [])));
    this.#ask = ask;
  }

  /** @param entry file of the thread */
  static async open(
    entry: string,
    models: readonly Uint8Array[],
    options: Extract<ThreadRequest, { type: 'open' }>['options'],
  ): Promise<ThreadSession> {
    const thread = new Worker(entry);
    const waiting: Waiting[] = [];
    let ended = false;
    const fail = (e: unknown): void => {
      ended = true;
      for (const w of waiting.splice(0)) w.reject(runtimeError(e));
    };
    thread.on('message', (r: ThreadReply) => waiting.shift()?.resolve(r));
    thread.on('error', fail);
    thread.on('exit', () => fail(new Error(ENDED)));
    const ask = async (request: ThreadRequest): Promise<ThreadReply> => {
      const release = request.type === 'release';
      if (ended && release) return { type: 'released' };
      if (ended) throw runtimeError(new Error(ENDED));
      ended = release;
      const reply = await new Promise<ThreadReply>((resolve, reject) => {
        waiting.push({ resolve, reject });
        thread.postMessage(request);
      });
      if (reply.type === 'failed') throw runtimeError(new Error(reply.message));
      return reply;
    };
    try {
      const reply = await ask({ type: 'open', models, options });
      return new ThreadSession(reply.type === 'opened' ? reply.models : [], ask);
    } catch (e) {
      await thread.terminate();
      throw e;
    }
  }

  async run(
    feeds: Readonly<Record<string, HostTensor>>,
    fetches?: readonly string[],
  ): Promise<Record<string, HostTensor>> {
    const given = Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, alone(t)]));
    const reply = await this.#ask({ type: 'run', feeds: given, fetches });
    return reply.type === 'ran' ? { ...reply.outputs } : {};
  }

  async release(): Promise<void> {
    await this.#ask({ type: 'release' });
  }
}

const ENDED = 'the thread of the session has ended';

/** Copies a view, which would otherwise be sent with all of its underlying memory. */
const alone = (t: HostTensor): HostTensor =>
  t.data.byteLength === t.data.buffer.byteLength ? t : { ...t, data: t.data.slice() };
