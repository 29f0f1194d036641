/**
 * The window's connection to the app in a browser: requests and uploads over HTTP with the token of
 * the address, and one event stream that is reopened whenever it ends. The server sends at least an
 * empty line every half second, so silence means that it is gone, even where the connection does
 * not report an end.
 */
import type { Bridge } from '../../shared/contract/routes.ts';

/** 'refused': a server answers at this address but rejects the token. */
export type Connection = 'open' | 'lost' | 'refused';

/** Three heartbeats. */
const SILENCE_MS = 1500;
const RETRY_MS = 500;
const SLOW_RETRY_MS = 2000;
/** Number of quick retries before the slow ones. */
const QUICK = 20;

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** @param changed called on every change of the connection, including the first 'open' */
export function httpBridge(token: string, changed: (now: Connection) => void): Bridge {
  const authorization = `Bearer ${token}`;
  const listeners = new Map<string, Set<(event: unknown) => void>>();
  const pending = new Map<string, AbortController>();
  let state: Connection | null = null;
  let started = false;
  const become = (now: Connection): void => {
    if (now !== state) changed((state = now));
  };
  const hear = (line: string): void => {
    if (line === '') return;
    for (const { topic, event } of JSON.parse(line) as { topic: string; event: unknown }[])
      for (const listener of listeners.get(topic) ?? []) {
        try {
          listener(event);
        } catch (e) {
          // A failing listener must not stop the others.
          console.error(e);
        }
      }
  };
  /** Resolves when the stream has ended, for any reason. */
  const once = async (): Promise<void> => {
    const gone = new AbortController();
    let timer = setTimeout(() => gone.abort(), SILENCE_MS);
    try {
      const response = await fetch('/api/events', { headers: { authorization }, signal: gone.signal });
      if (!response.ok || !response.body) return become('refused');
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(() => gone.abort(), SILENCE_MS);
        become('open');
        const lines = (rest + value).split('\n');
        rest = lines.pop()!;
        lines.forEach(hear);
      }
      become('lost');
    } catch {
      become('lost');
    } finally {
      clearTimeout(timer);
    }
  };
  const follow = async (): Promise<void> => {
    for (let tries = 0; ; tries = state === 'open' ? 0 : tries + 1) {
      await once();
      await wait(tries < QUICK ? RETRY_MS : SLOW_RETRY_MS);
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
      listeners.set(topic, all.add(listener));
      if (!started) {
        started = true;
        void follow();
      }
      return () => void all.delete(listener);
    },
  };
}

/**
 * Uses XMLHttpRequest, because `fetch` does not report the progress of a body. Resolves to the
 * server's answer; rejects when the server is not reached.
 */
export function uploadTo(
  token: string,
  id: string,
  name: string,
  file: Blob,
  sent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<unknown> {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open('PUT', `/api/upload/${id}/${name.split('/').map(encodeURIComponent).join('/')}`);
    request.setRequestHeader('authorization', `Bearer ${token}`);
    request.upload.onprogress = (e) => sent(e.loaded);
    request.onload = () => {
      try {
        done(JSON.parse(request.responseText));
      } catch (e) {
        fail(e as Error);
      }
    };
    request.onerror = () => fail(new TypeError('not reached'));
    request.onabort = () => fail(new DOMException('Cancelled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
