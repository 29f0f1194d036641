/** Opens the storage and builds the services. Entry files call this once and `close` at the end. */
import { join } from 'node:path';
import { JobPool } from '../jobs/pool.ts';
import type { WorkerSpawner } from '../jobs/process.ts';
import { ArtifactStore } from '../storage/artifacts.ts';
import { openDatabase } from '../storage/database.ts';
import { DeviceRepository } from '../storage/device-repository.ts';
import { JobLog } from '../storage/job-log.ts';
import { JobRepository } from '../storage/job-repository.ts';
import { ModelRepository } from '../storage/model-repository.ts';
import { ensureHome } from '../storage/paths.ts';
import { BundleService } from './bundles.ts';
import { DeviceService } from './devices.ts';
import { JobService } from './jobs.ts';
import { ModelService } from './models.ts';
import { SettingsService } from './settings.ts';
import { StorageService } from './storage.ts';
import { UploadService } from './uploads.ts';

export interface Services {
  readonly home: string;
  readonly jobs: JobService;
  readonly bundles: BundleService;
  readonly devices: DeviceService;
  readonly storage: StorageService;
  readonly models: ModelService;
  readonly settings: SettingsService;
  readonly uploads: UploadService;
  readonly resources: string;
  /** File that stores the ports and tokens of the served window. */
  readonly servedFile: string;
  /** Cancels the jobs of this process and closes the database. */
  close(): Promise<void>;
}

export interface ServiceOptions {
  readonly home: string;
  readonly spawner: WorkerSpawner;
  /** Folder that contains `devices/*.json`. */
  readonly resources: string;
}

export function openServices(options: ServiceOptions): Services {
  const paths = ensureHome(options.home);
  const db = openDatabase(paths.database);
  const pool = new JobPool({ spawner: options.spawner, home: options.home });
  const quick = new JobPool({ spawner: options.spawner, home: options.home, concurrency: 2 });
  const jobs = new JobService(new JobRepository(db), pool, quick, new JobLog(paths.logs));
  return {
    home: options.home,
    jobs,
    bundles: new BundleService(jobs),
    devices: new DeviceService(new DeviceRepository(db), jobs, `${options.resources}/devices`),
    models: new ModelService(new ModelRepository(db), join(options.resources, 'samples')),
    settings: new SettingsService(paths.settings, paths.bundles),
    uploads: new UploadService(paths.uploads),
    resources: options.resources,
    servedFile: paths.served,
    storage: new StorageService(new ArtifactStore(paths.artifacts), paths.memo),
    close: async () => {
      await Promise.all([pool.close(), quick.close()]);
      await jobs.settled();
      db.close();
    },
  };
}
