/** Seconds each stage took last time: what estimates of the time left start from. */
import type { Database } from './database.ts';

export class StageTimesRepository {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** `subject` is what decides the time, such as the model's path; falls back to the newest times of any subject. */
  get(kind: string, subject: string): Record<string, number> {
    const read = (sql: string, ...args: string[]): Record<string, number> =>
      Object.fromEntries(
        this.#db
          .prepare<string[], { stage: string; seconds: number }>(sql)
          .all(...args)
          .map((r) => [r.stage, r.seconds]),
      );
    const own = read('SELECT stage, seconds FROM stage_times WHERE kind = ? AND subject = ?', kind, subject);
    if (Object.keys(own).length > 0) return own;
    return read('SELECT stage, seconds, max(at) FROM stage_times WHERE kind = ? GROUP BY stage', kind);
  }

  put(kind: string, subject: string, seconds: Readonly<Record<string, number>>): void {
    const upsert = this.#db.prepare<[string, string, string, number, number]>(
      `INSERT INTO stage_times (kind, subject, stage, seconds, at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (kind, subject, stage) DO UPDATE SET seconds = excluded.seconds, at = excluded.at`,
    );
    this.#db.transaction(() => {
      for (const [stage, s] of Object.entries(seconds)) upsert.run(kind, subject, stage, s, Date.now());
    })();
  }
}
