/** What the user has set in the window: one small JSON file. What cannot be read counts as not set. */
import { readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Settings } from '../../shared/contract/routes.ts';
import { writeFileAtomic } from '../storage/atomic.ts';

const Stored = z
  .object({
    theme: z.enum(['system', 'light', 'dark']),
    threads: z.number().int().positive(),
    outFolder: z.string().min(1),
  })
  .partial();

export class SettingsService {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  get(): Settings {
    let stored: z.infer<typeof Stored> = {};
    try {
      stored = Stored.parse(JSON.parse(readFileSync(this.#path, 'utf8')));
    } catch {
      // Not there yet, or written by hand.
    }
    return {
      theme: stored.theme ?? 'system',
      threads: Math.min(stored.threads ?? 1, availableParallelism()),
      outFolder: stored.outFolder ?? join(homedir(), 'Secateur'),
    };
  }

  async set(change: Partial<Settings>): Promise<Settings> {
    await writeFileAtomic(this.#path, `${JSON.stringify({ ...this.get(), ...change }, null, 2)}\n`);
    return this.get();
  }
}
