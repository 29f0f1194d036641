/** Measured milliseconds per operator signature, kept permanently by device, processor and runtime version. */
import type { Provenance } from '../../shared/model/types.ts';
import type { LatencyTable } from '../pipeline/context.ts';
import type { Database } from './database.ts';

export interface LatencyScope {
  readonly device: string;
  readonly processor: string;
  readonly runtime: string;
}

export interface LatencyRow {
  readonly signature: string;
  readonly ms: number;
  readonly kind: Provenance['kind'];
  readonly date: string;
}

/** Rows from earlier versions can hold invalid times. */
const isTime = (ms: number): boolean => ms > 0 && Number.isFinite(ms);

export class LatencyRepository {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** The table of one device. It does not contain rows of other devices, processors or runtime versions. */
  table(scope: LatencyScope): LatencyTable {
    const { device, processor, runtime } = scope;
    const select = this.#db
      .prepare<[string, string, string, string], number>(
        'SELECT ms FROM latency WHERE device = ? AND processor = ? AND runtime = ? AND signature = ?',
      )
      .pluck();
    // Precedence: measurement, fit, guess. A row never replaces one of higher precedence.
    const upsert = this.#db.prepare<[string, string, string, string, number, string, string]>(
      `INSERT INTO latency (device, processor, runtime, signature, ms, kind, measured_at) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (device, processor, runtime, signature) DO UPDATE
         SET ms = excluded.ms, kind = excluded.kind, measured_at = excluded.measured_at
         WHERE CASE excluded.kind WHEN 'measured' THEN 2 WHEN 'fitted' THEN 1 ELSE 0 END
            >= CASE latency.kind WHEN 'measured' THEN 2 WHEN 'fitted' THEN 1 ELSE 0 END`,
    );
    return {
      get: (signature) => {
        const ms = select.get(device, processor, runtime, signature);
        return ms !== undefined && isTime(ms) ? ms : undefined;
      },
      put: (signature, ms, provenance) => {
        if (!isTime(ms)) throw new RangeError(`${signature} takes ${ms} ms: a latency is a positive number`);
        upsert.run(device, processor, runtime, signature, ms, provenance.kind, provenance.date);
      },
    };
  }

  rows(scope: LatencyScope): LatencyRow[] {
    return this.#db
      .prepare<[string, string, string], LatencyRow>(
        `SELECT signature, ms, kind, measured_at AS date FROM latency
         WHERE device = ? AND processor = ? AND runtime = ? ORDER BY signature`,
      )
      .all(scope.device, scope.processor, scope.runtime);
  }
}
