/** Devices known to this installation: the machine itself and profiles that the user added. */
import type { DeviceProfile } from '../../shared/model/types.ts';
import type { Database } from './database.ts';

export class DeviceRepository {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  put(profile: DeviceProfile): void {
    this.#db
      .prepare<[string, string, number]>(
        `INSERT INTO devices (id, profile, updated_at) VALUES (?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET profile = excluded.profile, updated_at = excluded.updated_at`,
      )
      .run(profile.id, JSON.stringify(profile), Date.now());
  }

  get(id: string): DeviceProfile | undefined {
    const text = this.#db.prepare<[string], string>('SELECT profile FROM devices WHERE id = ?').pluck().get(id);
    return text === undefined ? undefined : (JSON.parse(text) as DeviceProfile);
  }

  list(): DeviceProfile[] {
    const rows = this.#db.prepare<[], string>('SELECT profile FROM devices ORDER BY id').pluck().all();
    return rows.map((text) => JSON.parse(text) as DeviceProfile);
  }

  remove(id: string): void {
    this.#db.prepare<[string]>('DELETE FROM devices WHERE id = ?').run(id);
  }
}
