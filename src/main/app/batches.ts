// Events on their way to the window: at most one batch under way, the next only after the window has taken the last one.
import type { Events, Topic } from '../../shared/contract/routes.ts';
import { Outbox, type Parcel } from '../transport/outbox.ts';

/** Least milliseconds between two batches. */
const INTERVAL_MS = 50;

export class Batches {
  readonly #send: (number: number, batch: readonly Parcel[]) => void;
  readonly #outbox = new Outbox();
  /** Each counts by itself: two commands of the menu are not one. */
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

  /** A page has begun to listen, be it the first or one loaded again: what the one before did not take is not awaited. */
  listen(): void {
    this.#listening = true;
    this.#underWay = false;
    this.#next();
  }

  /** The window has taken batch `number`. */
  taken(number: number): void {
    if (number !== this.#number) return;
    this.#underWay = false;
    this.#next();
  }

  /** The page is gone. What still waits is dropped: the next page asks for the state of things when it starts. */
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
