/** The window's way to the app: Electron's preload when it is there, HTTP with the token of the address otherwise. */
import type { ErrorPayload } from '../../shared/contract/errors.ts';
import type { Bridge, Events, Input, Output, Reply, RouteName, Topic } from '../../shared/contract/routes.ts';

/** An error of the catalogue, as it came from the app. */
export class Refused extends Error {
  readonly payload: ErrorPayload;
  constructor(payload: ErrorPayload) {
    super(payload.message);
    this.payload = payload;
  }
}

const LOST: ErrorPayload = {
  code: 'internal',
  message: 'The connection to Secateur is lost.',
  remedy: 'Check that it still runs, and open the window from its address again.',
  detail: {},
};

const bridge: Bridge = (globalThis as { secateur?: Bridge }).secateur ?? httpBridge(location.hash.slice(1));

let calls = 0;

/** @param abandoned when it is aborted, the work for the answer ends, and the promise rejects */
export async function call<R extends RouteName>(
  route: R,
  input: Input<R>,
  abandoned?: AbortSignal,
): Promise<Output<R>> {
  abandoned?.throwIfAborted();
  // Proxies of the window's state do not cross process borders.
  const plain: unknown = JSON.parse(JSON.stringify(input));
  const name = abandoned && String(++calls);
  if (name !== undefined) abandoned?.addEventListener('abort', () => bridge.abandon(name), { once: true });
  const reply = (await bridge.request(route, plain, name)) as Reply<Output<R>>;
  if (reply.ok) return reply.data;
  throw new Refused(reply.error);
}

export function listen<T extends Topic>(topic: T, listener: (event: Events[T]) => void): () => void {
  return bridge.on(topic, (event) => listener(event as Events[T]));
}

/** The path of a dropped file, where files have one. */
export const droppedPath = (file: File): Promise<string | null> => bridge.dropped?.(file) ?? Promise.resolve(null);

export const payloadOf = (e: unknown): ErrorPayload =>
  e instanceof Refused
    ? e.payload
    : { ...LOST, message: e instanceof Error && !(e instanceof TypeError) ? e.message : LOST.message };

function httpBridge(token: string): Bridge {
  const authorization = `Bearer ${token}`;
  const listeners = new Map<string, Set<(event: unknown) => void>>();
  const pending = new Map<string, AbortController>();
  let started = false;
  const follow = async (): Promise<void> => {
    for (let wait = 250; ; wait = Math.min(8000, 2 * wait)) {
      try {
        const response = await fetch('/api/events', { headers: { authorization } });
        if (!response.ok || !response.body) throw new Error(String(response.status));
        wait = 250;
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = '';
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          const lines = (rest + value).split('\n');
          rest = lines.pop()!;
          for (const line of lines) {
            if (line === '') continue;
            for (const { topic, event } of JSON.parse(line) as { topic: string; event: unknown }[])
              for (const listener of listeners.get(topic) ?? []) listener(event);
          }
        }
      } catch {
        // Tried again below: the server may have been restarted.
      }
      await new Promise((done) => setTimeout(done, wait));
    }
  };
  return {
    async request(route, input, call) {
      const abort = new AbortController();
      if (call !== undefined) pending.set(call, abort);
      try {
        const response = await fetch('/api/request', {
          method: 'POST',
          headers: { authorization, 'content-type': 'application/json' },
          body: JSON.stringify({ route, input }),
          signal: abort.signal,
        });
        return (await response.json()) as unknown;
      } finally {
        if (call !== undefined) pending.delete(call);
      }
    },
    // The server sees the connection end.
    abandon: (call) => pending.get(call)?.abort(),
    on(topic, listener) {
      const all = listeners.get(topic) ?? new Set();
      listeners.set(topic, all);
      all.add(listener);
      if (!started) {
        started = true;
        void follow();
      }
      return () => void all.delete(listener);
    },
  };
}
