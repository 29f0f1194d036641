/** The thread side of a session: runs models one after the other. Loads the runtime and little else. */
import type { MessagePort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import type { HostTensor } from '../engine/executor.ts';
import { fromOrt, toOrt } from './tensors.ts';

/** Requests to the thread. */
export type ThreadRequest =
  | {
      readonly type: 'open';
      /** Serialized models. */
      readonly models: readonly Uint8Array[];
      readonly options: ort.InferenceSession.SessionOptions;
    }
  | {
      readonly type: 'run';
      readonly feeds: Readonly<Record<string, HostTensor>>;
      readonly fetches: readonly string[] | undefined;
    }
  | { readonly type: 'release' };

/** Replies of the thread, in the order of the requests. */
export type ThreadReply =
  | { readonly type: 'opened'; readonly models: readonly ModelNames[] }
  | { readonly type: 'ran'; readonly outputs: Readonly<Record<string, HostTensor>> }
  | { readonly type: 'released' }
  | { readonly type: 'failed'; readonly message: string };

export interface ModelNames {
  readonly inputs: readonly string[];
  /** Output names with the runtime's names of their element types. */
  readonly outputs: readonly (readonly [name: string, type: string])[];
}

export function serveSession(port: MessagePort): void {
  const sessions: ort.InferenceSession[] = [];
  const answer = async (request: ThreadRequest): Promise<ThreadReply> => {
    if (request.type === 'open') {
      for (const m of request.models) sessions.push(await ort.InferenceSession.create(m, request.options));
      return { type: 'opened', models: sessions.map(namesOf) };
    }
    if (request.type === 'release') {
      for (const s of sessions.splice(0)) await s.release();
      return { type: 'released' };
    }
    return { type: 'ran', outputs: await runAll(sessions, request) };
  };
  let turn = Promise.resolve();
  port.on('message', (request: ThreadRequest) => {
    turn = turn.then(async () => {
      const reply = await answer(request).catch((e: unknown): ThreadReply => ({
        type: 'failed',
        message: e instanceof Error ? e.message : String(e),
      }));
      port.postMessage(reply);
      // The closed port lets the thread end.
      if (reply.type === 'released') port.close();
    });
  });
}

const namesOf = (s: ort.InferenceSession): ModelNames => ({
  inputs: s.inputNames,
  outputs: s.outputMetadata.map((m) => [m.name, m.isTensor ? m.type : '']),
});

/** Every model reads the given inputs and the outputs of earlier models. The last model's outputs are the result. */
async function runAll(
  sessions: readonly ort.InferenceSession[],
  { feeds, fetches }: Extract<ThreadRequest, { type: 'run' }>,
): Promise<Record<string, HostTensor>> {
  const known: Record<string, ort.Tensor> = {};
  for (const [name, t] of Object.entries(feeds)) known[name] = toOrt(t);
  for (const [i, session] of sessions.entries()) {
    const given: Record<string, ort.Tensor> = {};
    for (const name of session.inputNames) if (known[name]) given[name] = known[name];
    const last = i === sessions.length - 1;
    const made = last && fetches ? await session.run(given, [...fetches]) : await session.run(given);
    if (last) return Object.fromEntries(Object.entries(made).map(([k, t]) => [k, fromOrt(t as ort.Tensor)]));
    Object.assign(known, made);
  }
  return {};
}
