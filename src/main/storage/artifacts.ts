/**
 * Content-addressed folders, one per (stage, key). A folder under its final name is complete: it was filled under a
 * temporary name, flushed, marked and renamed. A crash leaves only a temporary folder, which is swept once its process
 * is gone.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { SecateurError } from '../../shared/contract/errors.ts';
import { syncDirectory, syncTree, writeFileAtomic } from './atomic.ts';
import { canonicalJson } from './canonical.ts';
import { isAlive, ownedName, ownerOf } from './process-identity.ts';

const MARKER = '.complete.json';
const TEMP = '.tmp-';

/** Older checkpoints count as abandoned and are swept. */
const FORGOTTEN_MS = 30 * 24 * 3_600_000;

/** One structured-cloneable value that survives a crash and is kept until its artifact is complete. */
export interface Checkpoint {
  read(): Promise<unknown>;
  write(value: unknown): Promise<void>;
}

export interface ArtifactInfo {
  readonly name: string;
  readonly path: string;
  readonly stage: string;
  readonly bytes: number;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly usedAt: number;
}

interface Marker {
  readonly stage: string;
  readonly key: unknown;
  readonly bytes: number;
  readonly createdAt: number;
}

export class ArtifactStore {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** `<stage>-<sha256 of the canonical JSON of {stage, key}>`. */
  nameOf(stage: string, key: unknown): string {
    const safe = stage.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 40);
    return `${safe}-${createHash('sha256').update(canonicalJson({ stage, key })).digest('hex')}`;
  }

  /**
   * See StageContext.artifact. Several processes may make the same artifact at once: the first to finish wins, and all
   * get the same folder.
   */
  async get(
    stage: string,
    key: unknown,
    make: (dir: string, checkpoint: Checkpoint) => Promise<void>,
  ): Promise<string> {
    const name = this.nameOf(stage, key);
    const path = join(this.root, name);
    if (await this.#use(path)) return path;
    const temp = await this.#tempFolder();
    const kept = join(this.root, `.checkpoint-${name}`);
    try {
      await make(temp, {
        // An unreadable checkpoint counts as absent: the work starts over.
        read: async () => {
          try {
            return deserialize(await readFile(kept)) as unknown;
          } catch {
            return null;
          }
        },
        write: (value) => writeFileAtomic(kept, serialize(value)),
      });
      const marker: Marker = { stage, key, bytes: await syncTree(temp), createdAt: Date.now() };
      await writeFile(join(temp, MARKER), JSON.stringify(marker));
      await syncTree(temp);
      await this.#publish(temp, path);
      await rm(kept, { force: true });
    } catch (e) {
      throw SecateurError.ofFullDisk(e, this.root) ?? e;
    } finally {
      await rm(temp, { recursive: true, force: true });
    }
    return path;
  }

  async has(stage: string, key: unknown): Promise<boolean> {
    return (await this.#marker(join(this.root, this.nameOf(stage, key)))) !== null;
  }

  /** Complete artifacts, least recently used first. */
  async list(): Promise<ArtifactInfo[]> {
    const found: ArtifactInfo[] = [];
    for (const name of await this.#names()) {
      if (name.startsWith('.')) continue;
      const path = join(this.root, name);
      const marker = await this.#marker(path);
      if (!marker) continue;
      const used = await stat(join(path, MARKER)).catch(() => null);
      if (!used) continue;
      const { stage, bytes, createdAt } = marker;
      found.push({ name, path, stage, bytes, createdAt, usedAt: used.mtimeMs });
    }
    return found.sort((a, b) => a.usedAt - b.usedAt);
  }

  /**
   * Removes artifacts unused for `olderThanMs`, then the least recently used until at most `maxBytes` are held.
   * Artifacts used within the last `graceMs` (default one hour) stay, because a job may be reading them.
   * @returns the removed artifacts
   */
  async prune(limits: { olderThanMs?: number; maxBytes?: number; graceMs?: number }): Promise<ArtifactInfo[]> {
    const now = Date.now();
    const all = await this.list();
    const gone: ArtifactInfo[] = [];
    let held = all.reduce((sum, a) => sum + a.bytes, 0);
    for (const a of all) {
      const idle = now - a.usedAt;
      if (idle < (limits.graceMs ?? 3_600_000)) continue;
      const old = limits.olderThanMs !== undefined && idle > limits.olderThanMs;
      const over = limits.maxBytes !== undefined && held > limits.maxBytes;
      if (!old && !over) continue;
      await this.#discard(a.path);
      held -= a.bytes;
      gone.push(a);
    }
    return gone;
  }

  /**
   * Removes temporary folders whose process is gone.
   * @returns their number
   */
  async sweep(): Promise<number> {
    let count = 0;
    for (const name of await this.#names()) {
      if (name.startsWith('.checkpoint-')) {
        const info = await stat(join(this.root, name)).catch(() => null);
        if (info && Date.now() - info.mtimeMs > FORGOTTEN_MS) await rm(join(this.root, name), { force: true });
        continue;
      }
      const owner = ownerOf(name, TEMP);
      if (!owner || isAlive(owner)) continue;
      await rm(join(this.root, name), { recursive: true, force: true });
      count++;
    }
    return count;
  }

  async #publish(temp: string, path: string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await rename(temp, path);
        await syncDirectory(this.root);
        return;
      } catch (e) {
        if (!existsSync(path) || attempt > 2) throw e;
        // Another process finished first and its folder is used, or a folder without a marker is in the way.
        if (await this.#use(path)) return;
        await this.#discard(path);
      }
    }
  }

  /** Renames first, so that no reader sees a half-deleted folder. */
  async #discard(path: string): Promise<void> {
    const aside = this.#tempName();
    try {
      await rename(path, aside);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw e;
    }
    await rm(aside, { recursive: true, force: true });
  }

  async #use(path: string): Promise<boolean> {
    if (!(await this.#marker(path))) return false;
    const now = new Date();
    // The time is only a hint for prune, so a read-only folder may still be used.
    await utimes(join(path, MARKER), now, now).catch(() => undefined);
    return true;
  }

  async #marker(path: string): Promise<Marker | null> {
    try {
      return JSON.parse(await readFile(join(path, MARKER), 'utf8')) as Marker;
    } catch {
      return null;
    }
  }

  async #tempFolder(): Promise<string> {
    await mkdir(this.root, { recursive: true });
    const temp = this.#tempName();
    await mkdir(temp);
    return temp;
  }

  #tempName(): string {
    return join(this.root, `${ownedName(TEMP)}${randomBytes(6).toString('hex')}`);
  }

  async #names(): Promise<string[]> {
    return readdir(this.root).catch(() => []);
  }
}
