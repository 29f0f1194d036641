/** Finds every file of this folder that exports `head`. */
import type { OutputMeaning, OutputReading } from '../../../shared/model/job.ts';
import type { Head } from './contract.ts';

const modules = import.meta.glob<{ head?: Head }>(['./*.ts', '!./*.test.ts', '!./contract.ts', '!./registry.ts'], {
  eager: true,
});

export class Heads {
  readonly #table: ReadonlyMap<string, Head>;
  readonly #numbers: Head;

  /** @param list must contain a head of 'numbers', which compares every output that no other head supports */
  constructor(list: readonly Head[]) {
    this.#table = new Map(list.map((h) => [h.reading, h]));
    const numbers = this.#table.get('numbers');
    if (!numbers) throw new Error('heads need one of numbers');
    this.#numbers = numbers;
  }

  all(): readonly Head[] {
    return [...this.#table.values()];
  }

  /** The head of a reading; the head of numbers where there is no reading. */
  of(reading: OutputReading | undefined): Head {
    return (reading && this.#table.get(reading)) ?? this.#numbers;
  }

  /** The head that compares an output. Rows that are not contiguous are compared as numbers. */
  comparedBy(m: OutputMeaning | undefined): Head {
    return m?.batchAxis ? this.#numbers : this.of(m?.reading);
  }
}

export const HEADS = new Heads(Object.values(modules).flatMap((m) => (m.head ? [m.head] : [])));
