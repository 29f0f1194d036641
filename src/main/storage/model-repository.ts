/** Models seen before: spares hashing a big file again when neither its size nor its time has changed. */
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

  /** The hash found last time, when the file looks unchanged. */
  hashOf(path: string, bytes: number, mtimeMs: number): string | undefined {
    return this.#db
      .prepare<[string, number, number], string>(
        'SELECT sha256 FROM models WHERE path = ? AND bytes = ? AND mtime_ms = ?',
      )
      .pluck()
      .get(path, bytes, mtimeMs);
  }

  /** What the user says the model is; null when they have not said. */
  correctedFamily(sha256: string): Family | null {
    return (
      this.#db.prepare<[string], Family | null>('SELECT corrected FROM models WHERE sha256 = ?').pluck().get(sha256) ??
      null
    );
  }

  /** For a model that was seen; null takes the correction back. */
  correctFamily(sha256: string, family: Family | null): void {
    this.#db.prepare<[Family | null, string]>('UPDATE models SET corrected = ? WHERE sha256 = ?').run(family, sha256);
  }

  forget(path: string): void {
    this.#db.prepare<[string]>('DELETE FROM models WHERE path = ?').run(path);
  }

  /** Most recent first. */
  list(limit = 50): ModelRow[] {
    return this.#db
      .prepare<[number], ModelRow>(`SELECT ${COLUMNS} FROM models ORDER BY seen_at DESC LIMIT ?`)
      .all(limit);
  }
}
