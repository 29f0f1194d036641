/** Opens, configures and migrates the SQLite database. */
import { dirname } from 'node:path';
import DatabaseConstructor from 'better-sqlite3';
import type { Database } from 'better-sqlite3';
import { SecateurError } from '../../shared/contract/errors.ts';
import { MIGRATIONS } from './migrations/index.ts';
import type { Migration } from './migrations/index.ts';

export type { Database };

/**
 * Opens the database file, and creates it if needed.
 * @throws 'database-unusable', 'database-too-new', 'disk-full'
 */
export function openDatabase(path: string, migrations: readonly Migration[] = MIGRATIONS): Database {
  let db: Database | undefined;
  try {
    db = new DatabaseConstructor(path, { timeout: 10_000 });
    db.pragma('journal_mode = WAL');
    // With WAL, NORMAL survives the death of any process. A power cut can lose the last commits but does not corrupt
    // the file.
    db.pragma('synchronous = NORMAL');
    db.pragma('foreign_keys = ON');
    migrate(db, path, migrations);
    return db;
  } catch (e) {
    db?.close();
    if (e instanceof SecateurError) throw e;
    const full = SecateurError.ofFullDisk(e, dirname(path));
    if (full) throw full;
    throw new SecateurError('database-unusable', { path, reason: (e as Error).message }, { cause: e });
  }
}

/** @internal */
export function schemaVersion(db: Database): number {
  return Number(db.pragma('user_version', { simple: true }));
}

function migrate(db: Database, path: string, migrations: readonly Migration[]): void {
  const newest = migrations.at(-1)?.version ?? 0;
  const found = schemaVersion(db);
  if (found > newest) throw new SecateurError('database-too-new', { path, found, newest });
  for (const step of migrations) {
    // The version is read again inside the write lock, because another process may have migrated in the meantime.
    db.transaction(() => {
      if (schemaVersion(db) >= step.version) return;
      db.exec(step.sql);
      db.pragma(`user_version = ${step.version}`);
    }).immediate();
  }
}
