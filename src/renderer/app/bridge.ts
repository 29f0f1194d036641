/**
 * The window's connection to the app: Electron's preload when present, otherwise HTTP with the
 * token of the address.
 */
import type { ErrorPayload } from '../../shared/contract/errors.ts';
import { httpBridge, uploadTo, type Connection } from './http-bridge.ts';
import type { Bridge, Events, Input, Output, Reply, RouteName, Topic } from '../../shared/contract/routes.ts';

/** A catalogue error received from the app. */
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

/**
 * Calls a route.
 * @param abandoned aborting it ends the work for the answer and rejects the promise
 */
export async function call<R extends RouteName>(
  route: R,
  input: Input<R>,
  abandoned?: AbortSignal,
): Promise<Output<R>> {
  abandoned?.throwIfAborted();
  // Proxies of the window's state cannot cross process borders.
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

/**
 * Registers a watcher that is called when the connection is lost and when it is back. Events in
 * between are lost.
 */
export function onConnection(watcher: (now: Connection) => void): () => void {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
}

/**
 * Sends a dropped file to the machine that does the work; `sent` receives the number of bytes sent.
 */
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

/** Returns the path of a dropped file, where files have one. */
export const droppedPath = (file: File): Promise<string | null> => bridge.dropped?.(file) ?? Promise.resolve(null);

export const payloadOf = (e: unknown): ErrorPayload =>
  e instanceof Refused
    ? e.payload
    : { ...LOST, message: e instanceof Error && !(e instanceof TypeError) ? e.message : LOST.message };
