/** Opens the storage and joins the use cases. Entry files call this once and `close` at the end. */
import { JobPool } from '../jobs/pool.ts';
import type { WorkerSpawner } from '../jobs/process.ts';
import { ArtifactStore } from '../storage/artifacts.ts';
import { openDatabase } from '../storage/database.ts';
import { DeviceRepository } from '../storage/device-repository.ts';
import { JobRepository } from '../storage/job-repository.ts';
import { ensureHome } from '../storage/paths.ts';
import { DeviceService } from './devices.ts';
import { JobService } from './jobs.ts';
import { StorageService } from './storage.ts';

export interface Services {
  readonly home: string;
  readonly jobs: JobService;
  readonly devices: DeviceService;
  readonly storage: StorageService;
  /** Cancels what this process runs and closes the database. */
  close(): Promise<void>;
}

export interface ServiceOptions {
  readonly home: string;
  readonly spawner: WorkerSpawner;
  /** Folder with `devices/*.json`. */
  readonly resources: string;
}

export function openServices(options: ServiceOptions): Services {
  const paths = ensureHome(options.home);
  const db = openDatabase(paths.database);
  const pool = new JobPool({ spawner: options.spawner, home: options.home });
  const jobs = new JobService(new JobRepository(db), pool);
  return {
    home: options.home,
    jobs,
    devices: new DeviceService(new DeviceRepository(db), jobs, `${options.resources}/devices`),
    storage: new StorageService(new ArtifactStore(paths.artifacts), paths.memo),
    close: async () => {
      await pool.close();
      await jobs.settled();
      db.close();
    },
  };
}
