/**
 * A queue of events for a window that may be slower than the events. Newer progress of a job or
 * task replaces older progress; lines, points and status changes are kept in order.
 */
import type { Events, Topic } from '../../shared/contract/routes.ts';

export interface Parcel {
  readonly topic: Topic;
  readonly event: Events[Topic];
}

export class Outbox {
  #waiting: Parcel[] = [];
  /** Position of the newest queued progress per key. */
  readonly #places = new Map<string, number>();

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  put<T extends Topic>(topic: T, event: Events[T]): void {
    const key = keyOf(topic, event);
    const place = key === null ? undefined : this.#places.get(key);
    if (place !== undefined) this.#waiting[place] = { topic, event };
    else {
      if (key !== null) this.#places.set(key, this.#waiting.length);
      this.#waiting.push({ topic, event });
    }
  }

  /** Returns and removes all queued events. */
  take(): Parcel[] {
    const all = this.#waiting;
    this.#waiting = [];
    this.#places.clear();
    return all;
  }
}

/** Null: the event must not be dropped. */
function keyOf(topic: Topic, event: Events[Topic]): string | null {
  if (topic === 'jobs') return 'jobs';
  if (topic === 'answer') return null;
  if (topic === 'task') return `task ${(event as Events['task']).route}`;
  const job = event as Events['job'];
  return job.progress !== null && job.log === undefined && job.point === undefined
    ? `job ${job.id} ${job.status}`
    : null;
}
