/** State of one request of the window: busy, failed with an error, or answered with a value. */
import { payloadOf } from '../app/bridge.ts';
import type { ErrorPayload } from '../../shared/contract/errors.ts';

export class Asked<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<ErrorPayload | null>(null);
  busy = $state(false);
  #abandon: AbortController | null = null;

  /**
   * Only the newest request counts; work for an older one is aborted. A failure clears the previous
   * value.
   */
  async load(make: (abandoned: AbortSignal) => Promise<T>): Promise<void> {
    this.#abandon?.abort();
    const abandon = (this.#abandon = new AbortController());
    const current = (): boolean => this.#abandon === abandon;
    this.busy = true;
    this.error = null;
    try {
      const value = await make(abandon.signal);
      if (current()) this.value = value;
    } catch (e) {
      if (!current()) return;
      this.value = null;
      this.error = payloadOf(e);
    } finally {
      if (current()) {
        this.busy = false;
        this.#abandon = null;
      }
    }
  }

  /** Clears the answer and aborts work for a pending one. */
  clear(): void {
    this.#abandon?.abort();
    this.#abandon = null;
    this.value = null;
    this.error = null;
    this.busy = false;
  }
}
