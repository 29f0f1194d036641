/**
 * Events on their way to a window that may be slower than what happens: progress of one job or task is replaced by newer
 * progress; lines, points and changes of status are kept in order.
 */
import type { Events, Topic } from '../../shared/contract/routes.ts';

export interface Parcel {
  readonly topic: Topic;
  readonly event: Events[Topic];
}

export class Outbox {
  #waiting: Parcel[] = [];
  /** Place of the newest progress of a key among those that wait. */
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

  /** Everything that waits. */
  take(): Parcel[] {
    const all = this.#waiting;
    this.#waiting = [];
    this.#places.clear();
    return all;
  }
}

/** Null: nothing may be lost. */
function keyOf(topic: Topic, event: Events[Topic]): string | null {
  if (topic === 'jobs') return 'jobs';
  if (topic === 'task') return `task ${(event as Events['task']).route}`;
  const job = event as Events['job'];
  return job.progress !== null && job.log === undefined && job.point === undefined
    ? `job ${job.id} ${job.status}`
    : null;
}
