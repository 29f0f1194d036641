/** A request of the window: a skeleton while it is under way, an error when it failed, a value when it is answered. */
import { payloadOf } from '../app/bridge.ts';
import type { ErrorPayload } from '../../shared/contract/errors.ts';

export class Asked<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<ErrorPayload | null>(null);
  busy = $state(false);
  #abandon: AbortController | null = null;

  /** Only the newest answer counts: the work for an older one ends. What was known before does not outlive a failure. */
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

  /** Forgets the answer; work that is under way for it ends. */
  clear(): void {
    this.#abandon?.abort();
    this.#abandon = null;
    this.value = null;
    this.error = null;
    this.busy = false;
  }
}
