/** Seconds that each stage took last time, used to estimate the remaining time. */
import type { Database } from './database.ts';

export class StageTimesRepository {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * `subject` identifies the input that determines the time, such as the model's path. Falls back to the newest times
   * of any subject.
   */
  get(kind: string, subject: string): Record<string, number> {
    const own = this.own(kind, subject);
    if (Object.keys(own).length > 0) return own;
    return this.#read(
      'SELECT stage, seconds, max(at) FROM stage_times WHERE kind = ? GROUP BY stage ORDER BY rank',
      kind,
    );
  }

  own(kind: string, subject: string): Record<string, number> {
    return this.#read(
      'SELECT stage, seconds FROM stage_times WHERE kind = ? AND subject = ? ORDER BY rank',
      kind,
      subject,
    );
  }

  /** The order of `seconds` is the order of the stages. */
  put(kind: string, subject: string, seconds: Readonly<Record<string, number>>): void {
    const upsert = this.#db.prepare<[string, string, string, number, number, number]>(
      `INSERT INTO stage_times (kind, subject, stage, seconds, rank, at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (kind, subject, stage) DO UPDATE SET seconds = excluded.seconds, rank = excluded.rank, at = excluded.at`,
    );
    this.#db.transaction(() => {
      for (const [rank, [stage, s]] of Object.entries(seconds).entries()) {
        upsert.run(kind, subject, stage, s, rank, Date.now());
      }
    })();
  }

  #read(sql: string, ...args: string[]): Record<string, number> {
    const rows = this.#db.prepare<string[], { stage: string; seconds: number }>(sql).all(...args);
    return Object.fromEntries(rows.map((r) => [r.stage, r.seconds]));
  }
}
