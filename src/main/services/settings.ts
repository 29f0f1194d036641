/**
 * The user's settings of the window, in one small JSON file. Unreadable values count as not set.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
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
  readonly #outFolder: string;

  /** @param outFolder default folder for bundles */
  constructor(path: string, outFolder: string) {
    this.#path = path;
    this.#outFolder = outFolder;
  }

  get(): Settings {
    let stored: z.infer<typeof Stored> = {};
    try {
      stored = Stored.parse(JSON.parse(readFileSync(this.#path, 'utf8')));
    } catch {
      // The file does not exist yet, or was edited into invalid JSON.
    }
    return {
      theme: stored.theme ?? 'system',
      threads: Math.min(stored.threads ?? 1, availableParallelism()),
      outFolder: stored.outFolder ?? this.#outFolder,
    };
  }

  async set(change: Partial<Settings>): Promise<Settings> {
    const { outFolder, ...rest } = { ...this.get(), ...change };
    // The default is not stored, because it moves with the data folder.
    const stored = outFolder === this.#outFolder ? rest : { ...rest, outFolder };
    await writeFileAtomic(this.#path, `${JSON.stringify(stored, null, 2)}\n`);
    return this.get();
  }
}
