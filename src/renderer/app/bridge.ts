/** The window's way to the app: Electron's preload when it is there, HTTP with the token of the address otherwise. */
import type { ErrorPayload } from '../../shared/contract/errors.ts';
import { httpBridge, uploadTo, type Connection } from './http-bridge.ts';
import type { Bridge, Events, Input, Output, Reply, RouteName, Topic } from '../../shared/contract/routes.ts';

/** An error of the catalogue, as it came from the app. */
class Refused extends Error {
  readonly payload: ErrorPayload;
  constructor(payload: ErrorPayload) {
    super(payload.message);
    this.payload = payload;
  }
}

const LOST: ErrorPayload = {
  code: 'internal',
  message: 'The connection to Secateur is lost.',
  remedy: 'Check that Secateur runs, and open its address again.',
  detail: {},
};

const TOKEN = location.hash.slice(1);
const watchers = new Set<(now: Connection) => void>();
const bridge: Bridge =
  (globalThis as { secateur?: Bridge }).secateur ??
  httpBridge(TOKEN, (now) => watchers.forEach((watcher) => watcher(now)));

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
  const abandon = (): void => void (name !== undefined && bridge.abandon(name));
  abandoned?.addEventListener('abort', abandon, { once: true });
  const reply = (await bridge
    .request(route, plain, name)
    .finally(() => abandoned?.removeEventListener('abort', abandon))) as Reply<Output<R>>;
  if (reply.ok) return reply.data;
  throw new Refused(reply.error);
}

export function listen<T extends Topic>(topic: T, listener: (event: Events[T]) => void): () => void {
  return bridge.on(topic, (event) => listener(event as Events[T]));
}

/** Told when the connection is lost, and when it is there again: what happened meanwhile was not heard. */
export function onConnection(watcher: (now: Connection) => void): () => void {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
}

/** Sends a dropped file to the machine that does the work; `sent` hears how many bytes have gone. */
export async function upload(
  id: string,
  name: string,
  file: Blob,
  sent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<string> {
  const reply = (await uploadTo(TOKEN, id, name, file, sent, signal)) as Reply<{ path: string }>;
  if (reply.ok) return reply.data.path;
  throw new Refused(reply.error);
}

/** The path of a dropped file, where files have one. */
export const droppedPath = (file: File): Promise<string | null> => bridge.dropped?.(file) ?? Promise.resolve(null);

export const payloadOf = (e: unknown): ErrorPayload =>
  e instanceof Refused
    ? e.payload
    : { ...LOST, message: e instanceof Error && !(e instanceof TypeError) ? e.message : LOST.message };
