/**
 * The one router of all transports. It checks the input against the route's schema and the paths
 * against those the user chose, calls the services, and answers {ok, data} or {ok: false, error}
 * with a catalogue error. It never rejects.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Events, FileKind, Reply, RouteName, Topic } from '../../shared/contract/routes.ts';
import type { CompressRequest } from '../../shared/model/job.ts';
import { FileAccess } from '../services/files.ts';
import type { Services } from '../services/index.ts';
import { JOBS } from '../services/jobs.ts';
import { handlersFor, type HandlerContext } from './handlers.ts';
import { SCHEMAS } from './schemas.ts';

export interface RouterOptions {
  readonly version: string;
  readonly mode: 'electron' | 'served';
  /** First folder of the window's own file list. Showing a folder does not choose it. */
  readonly start?: string;
  /** Opens the system's dialog. */
  readonly choose?: (kind: FileKind) => Promise<string | null>;
  /** Shows a file in the system's file manager. */
  readonly reveal?: (path: string) => Promise<boolean>;
  /** Logs refused requests. */
  readonly log?: (line: string) => void;
}

export interface Caller {
  readonly transport: 'ipc' | 'http' | 'local';
  /** Aborted when no one waits for the answer. */
  readonly signal?: AbortSignal;
}

export interface Router {
  call(route: string, input: unknown, from: Caller): Promise<Reply<unknown>>;
  on(listener: <T extends Topic>(topic: T, event: Events[T]) => void): () => void;
  /** Records that the user chose this file or folder. */
  grant(path: string): void;
}

function grantSources(files: FileAccess, request: unknown): void {
  const { model, data, labels, preprocess, part } = request as Partial<CompressRequest>;
  for (const path of [model, data, labels, preprocess, part?.package]) if (path) files.grant(path);
}

export function createRouter(services: Services, options: RouterOptions): Router {
  const listeners = new Set<(topic: Topic, event: never) => void>();
  const emit: HandlerContext['emit'] = (topic, event) => {
    for (const listener of listeners) listener(topic, event as never);
  };
  const files = new FileAccess();
  files.grant(services.resources);
  files.grant(services.settings.get().outFolder);
  files.grant(services.uploads.folder);
  // Files that were opened in earlier sessions, or given to jobs, were chosen by the user at that
  // time.
  for (const { path } of services.models.recent()) files.grant(path);
  for (const { kind, request } of services.jobs.list(JOBS)) if (kind === 'compress') grantSources(files, request);
  services.jobs.watch((event) => {
    emit('job', event);
    if (event.progress === null && event.log === undefined && event.point === undefined)
      emit('jobs', { paused: services.jobs.paused });
  });
  const handlers = handlersFor({ services, options, files, emit });
  const refused = (route: string, from: Caller, error: SecateurError): void =>
    options.log?.(`refused ${from.transport} ${JSON.stringify(route.slice(0, 60))}: ${error.message}`);

  return {
    async call(route, input, from) {
      try {
        if (!Object.hasOwn(SCHEMAS, route))
          throw new SecateurError('request-invalid', {
            route: String(route).slice(0, 60),
            reason: 'there is no such request',
          });
        const name = route as RouteName;
        const parsed = SCHEMAS[name].safeParse(input ?? {});
        if (!parsed.success) {
          const [issue] = parsed.error.issues;
          const reason = `${issue?.path.join('.') || 'the input'}: ${issue?.message ?? 'not valid'}`;
          throw new SecateurError('request-invalid', { route, reason });
        }
        const handler = handlers[name] as (given: unknown, abandoned?: AbortSignal) => Promise<unknown>;
        return { ok: true, data: await handler(parsed.data, from.signal) };
      } catch (e) {
        const error = SecateurError.from(e);
        if (['request-invalid', 'request-refused', 'path-refused'].includes(error.code))
          refused(String(route), from, error);
        return { ok: false, error: error.toPayload() };
      }
    },
    on(listener) {
      listeners.add(listener as never);
      return () => void listeners.delete(listener as never);
    },
    grant: (path) => files.grant(path),
  };
}
