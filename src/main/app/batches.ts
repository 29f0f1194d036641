// Event delivery to the window: at most one batch is under way, and the next is sent only after the
// window has acknowledged it.
import type { Events, Topic } from '../../shared/contract/routes.ts';
import { Outbox, type Parcel } from '../transport/outbox.ts';

/** Shortest interval between two batches, in milliseconds. */
const INTERVAL_MS = 50;

export class Batches {
  readonly #send: (number: number, batch: readonly Parcel[]) => void;
  readonly #outbox = new Outbox();
  /** Menu commands are all kept: two equal ones are not merged. */
  #commands: Parcel[] = [];
  #number = 0;
  #listening = false;
  #underWay = false;
  #notBefore = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (number: number, batch: readonly Parcel[]) => void) {
    this.#send = send;
  }

  put<T extends Topic>(topic: T, event: Events[T]): void {
    if (topic === 'menu') this.#commands.push({ topic, event });
    else this.#outbox.put(topic, event);
    this.#next();
  }

  /**
   * A page begins to listen, either the first one or a reloaded one. Batches that the previous page
   * did not acknowledge are forgotten.
   */
  listen(): void {
    this.#listening = true;
    this.#underWay = false;
    this.#next();
  }

  /** The window has acknowledged batch `number`. */
  taken(number: number): void {
    if (number !== this.#number) return;
    this.#underWay = false;
    this.#next();
  }

  /**
   * The page is gone. Queued events are dropped, because the next page requests the current state
   * when it starts.
   */
  stop(): void {
    this.#listening = false;
    this.#commands = [];
    this.#outbox.take();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #next(): void {
    if (!this.#listening || this.#underWay || this.#timer || this.#empty) return;
    const wait = this.#notBefore - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#next();
      }, wait);
      return;
    }
    this.#underWay = true;
    this.#notBefore = performance.now() + INTERVAL_MS;
    this.#send(++this.#number, [...this.#commands.splice(0), ...this.#outbox.take()]);
  }

  get #empty(): boolean {
    return this.#outbox.empty && this.#commands.length === 0;
  }
}
