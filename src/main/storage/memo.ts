/**
 * Figures that a stage measures one at a time, saved as it runs: one append-only file of JSON lines per subject, named
 * by the content hash of its key. A crash loses only the line being written. A second run with another budget reuses
 * all figures.
 */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import { canonicalJson } from './canonical.ts';

/** Removes memos that were neither opened nor extended within `olderThanMs`. */
export function pruneMemos(folder: string, olderThanMs: number): { removed: number; bytes: number } {
  let [removed, bytes] = [0, 0];
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const path = join(folder, name);
    const info = statSync(path);
    if (!name.endsWith('.jsonl') || Date.now() - info.mtimeMs < olderThanMs) continue;
    rmSync(path, { force: true });
    removed++;
    bytes += info.size;
  }
  return { removed, bytes };
}

export class Memo {
  readonly #path: string;
  readonly #known = new Map<string, number>();

  constructor(folder: string, name: string, key: unknown) {
    mkdirSync(folder, { recursive: true });
    const hash = createHash('sha256').update(canonicalJson({ name, key })).digest('hex');
    this.#path = join(folder, `${name.replace(/[^A-Za-z0-9_-]+/g, '-')}-${hash}.jsonl`);
    if (!existsSync(this.#path)) return;
    const now = new Date();
    utimesSync(this.#path, now, now);
    for (const line of readFileSync(this.#path, 'utf8').split('\n')) {
      try {
        const [k, v] = JSON.parse(line) as [string, number];
        if (typeof k === 'string' && typeof v === 'number') this.#known.set(k, v);
      } catch {
        // The incomplete last line of a killed run, or the empty one at the end.
      }
    }
  }

  get(key: string): number | undefined {
    return this.#known.get(key);
  }

  /** @throws SecateurError 'disk-full' */
  put(key: string, value: number): void {
    // Starts on a new line, whatever a killed writer left at the end.
    try {
      if (!this.#known.has(key)) appendFileSync(this.#path, `\n${JSON.stringify([key, value])}`);
    } catch (e) {
      throw SecateurError.ofFullDisk(e, dirname(this.#path)) ?? e;
    }
    this.#known.set(key, value);
  }
}
