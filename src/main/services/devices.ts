/**
 * Devices: this machine, detected through the runtime in a worker, and profiles that are built in
 * or were added by the user.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { DeviceProfile } from '../../shared/model/types.ts';
import type { DeviceRepository } from '../storage/device-repository.ts';
import type { JobService } from './jobs.ts';

const Profile = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  kind: z.enum(['local', 'profile']),
  processor: z.string(),
  cores: z.number().int().positive(),
  providers: z.array(z.string()),
  runtime: z.string(),
});

export class DeviceService {
  readonly #devices: DeviceRepository;
  readonly #jobs: JobService;
  readonly #folder: string;
  #local: DeviceProfile | undefined;

  /** `folder`: one JSON file per device profile. */
  constructor(devices: DeviceRepository, jobs: JobService, folder: string) {
    this.#devices = devices;
    this.#jobs = jobs;
    this.#folder = folder;
  }

  /** Returns the runtime's profile of this machine. */
  async local(): Promise<DeviceProfile> {
    if (!this.#local) {
      this.#local = await this.#jobs.run<DeviceProfile>('devices', {});
      this.#devices.put(this.#local);
    }
    return this.#local;
  }

  /** Lists all devices, this machine first. */
  async list(): Promise<DeviceProfile[]> {
    const local = await this.local();
    const byId = new Map<string, DeviceProfile>([[local.id, local]]);
    for (const p of [...this.#fromFiles(), ...this.#devices.list()]) if (!byId.has(p.id)) byId.set(p.id, p);
    return [...byId.values()];
  }

  /** Returns the device to measure on. Throws `device-not-found` or `device-not-local`. */
  async resolve(id: string | undefined): Promise<DeviceProfile> {
    const local = await this.local();
    if (id === undefined || id === 'local' || id === local.id) return local;
    const all = await this.list();
    const found = all.find((d) => d.id === id);
    if (!found) throw new SecateurError('device-not-found', { id, known: all.map((d) => d.id).join(', ') });
    throw new SecateurError('device-not-local', { id });
  }

  /**
   * Removes the profile of another machine. Throws `device-not-found`; this machine cannot be
   * removed.
   */
  async forget(id: string): Promise<void> {
    const local = await this.local();
    const stored = this.#devices.list().filter((d) => d.id !== local.id);
    if (!stored.some((d) => d.id === id))
      throw new SecateurError('device-not-found', { id, known: stored.map((d) => d.id).join(', ') || 'none' });
    this.#devices.remove(id);
  }

  #fromFiles(): DeviceProfile[] {
    let names: string[];
    try {
      names = readdirSync(this.#folder).filter((n) => n.endsWith('.json'));
    } catch {
      return [];
    }
    return names.sort().map((n) => Profile.parse(JSON.parse(readFileSync(join(this.#folder, n), 'utf8'))));
  }
}
