/** Models seen before. Avoids hashing a big file again when its size and time are unchanged. */
import type { Family } from '../../shared/model/types.ts';
import type { Database } from './database.ts';

export interface ModelRow {
  readonly sha256: string;
  readonly path: string;
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly family: Family | null;
  /** Unix milliseconds. */
  readonly seenAt: number;
}

const COLUMNS = 'sha256, path, bytes, mtime_ms AS mtimeMs, coalesce(corrected, family) AS family, seen_at AS seenAt';

export class ModelRepository {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  put(row: Omit<ModelRow, 'seenAt'>): void {
    this.#db
      .prepare<[string, string, number, number, string | null, number]>(
        `INSERT INTO models (sha256, path, bytes, mtime_ms, family, seen_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (sha256) DO UPDATE SET path = excluded.path, bytes = excluded.bytes, mtime_ms = excluded.mtime_ms,
           family = coalesce(excluded.family, models.family), seen_at = excluded.seen_at`,
      )
      .run(row.sha256, row.path, row.bytes, row.mtimeMs, row.family, Date.now());
  }

  /** The stored hash, when the file's size and time are unchanged. */
  hashOf(path: string, bytes: number, mtimeMs: number): string | undefined {
    return this.#db
      .prepare<[string, number, number], string>(
        'SELECT sha256 FROM models WHERE path = ? AND bytes = ? AND mtime_ms = ?',
      )
      .pluck()
      .get(path, bytes, mtimeMs);
  }

  /** The family that the user set; null when they set none. */
  correctedFamily(sha256: string): Family | null {
    return (
      this.#db.prepare<[string], Family | null>('SELECT corrected FROM models WHERE sha256 = ?').pluck().get(sha256) ??
      null
    );
  }

  /** Sets the family of a known model; null removes the correction. */
  correctFamily(sha256: string, family: Family | null): void {
    this.#db.prepare<[Family | null, string]>('UPDATE models SET corrected = ? WHERE sha256 = ?').run(family, sha256);
  }

  forget(path: string): void {
    this.#db.prepare<[string]>('DELETE FROM models WHERE path = ?').run(path);
  }

  /** Most recently seen first. */
  list(limit = 50): ModelRow[] {
    return this.#db
      .prepare<[number], ModelRow>(`SELECT ${COLUMNS} FROM models ORDER BY seen_at DESC LIMIT ?`)
      .all(limit);
  }
}
