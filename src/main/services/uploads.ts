/** Files dropped on a browser page: stored below the data folder and used from there. */
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SecateurError } from '../../shared/contract/errors.ts';

/** Space left free for the database, logs and job stages. */
const RESERVE = 64 * 2 ** 20;
const NAME_LIMIT = 1024;
/** An upload that no job names is kept this long, since a later job may still use it. */
const KEPT_MS = 7 * 24 * 3600 * 1000;

interface Upload {
  readonly folder: string;
  filesLeft: number;
  bytesLeft: number;
}

export class UploadService {
  readonly folder: string;
  readonly #freeBytes: (folder: string) => Promise<number>;
  readonly #open = new Map<string, Upload>();

  /** @param freeBytes free space of the file system that holds the folder */
  constructor(folder: string, freeBytes = free) {
    this.folder = folder;
    this.#freeBytes = freeBytes;
  }

  /** Creates a folder for announced files. Throws `upload-too-large` or `home-unwritable`. */
  async begin(files: number, bytes: number): Promise<{ id: string; folder: string }> {
    const id = randomUUID();
    const folder = join(this.folder, id);
    try {
      await mkdir(folder, { recursive: true });
      const room = (await this.#freeBytes(this.folder)) - RESERVE;
      if (bytes > room)
        throw new SecateurError('upload-too-large', {
          size: size(bytes),
          free: size(Math.max(0, room)),
          folder: this.folder,
        });
    } catch (e) {
      await rm(folder, { recursive: true, force: true });
      if (e instanceof SecateurError) throw e;
      throw new SecateurError('home-unwritable', { path: folder, reason: (e as Error).message }, { cause: e });
    }
    this.#open.set(id, { folder, filesLeft: files, bytesLeft: bytes });
    return { id, folder };
  }

  /**
   * Writes one of the announced files, atomically.
   * @param name with `/` between folders
   * @throws `upload-failed`
   */
  async write(id: string, name: string, content: Readable): Promise<string> {
    const refuse = (reason: string, cause?: unknown): SecateurError =>
      new SecateurError('upload-failed', { name: name.slice(0, 200), reason }, { cause });
    const upload = this.#open.get(id);
    if (!upload) throw refuse('it was not announced');
    if (!isPlain(name)) throw refuse('its name is not valid');
    if (upload.filesLeft <= 0) throw refuse('there are more files than were announced');
    upload.filesLeft--;
    const path = join(upload.folder, ...name.split('/'));
    const part = `${path}.${randomUUID().slice(0, 8)}.part`;
    const meter = new Transform({
      transform(chunk: Buffer, _, done) {
        upload.bytesLeft -= chunk.length;
        done(upload.bytesLeft < 0 ? refuse('it is larger than announced') : null, chunk);
      },
    });
    try {
      await mkdir(dirname(path), { recursive: true });
      await pipeline(content, meter, createWriteStream(part, { flags: 'wx' }));
      await rename(part, path);
    } catch (e) {
      await rm(part, { force: true });
      if (e instanceof SecateurError) throw e;
      const { code, message } = e as NodeJS.ErrnoException;
      throw refuse(code === 'ENOSPC' ? 'the disk is full' : message, e);
    }
    return path;
  }

  /**
   * Deletes uploads that no job names and that were not written to for a week.
   * @param used requests of jobs; a path anywhere in them counts
   */
  async clean(used: readonly unknown[], now = Date.now()): Promise<void> {
    const ids = await readdir(this.folder).catch(() => [] as string[]);
    for (const id of ids) {
      const folder = join(this.folder, id);
      const info = await stat(folder).catch(() => null);
      if (!info || this.#open.has(id) || now - info.mtimeMs < KEPT_MS || isNamed(folder, used)) continue;
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Deletes the uploads of a job, except those that another job names. */
  async release(request: unknown, used: readonly unknown[]): Promise<void> {
    const ids = await readdir(this.folder).catch(() => [] as string[]);
    for (const id of ids) {
      const folder = join(this.folder, id);
      if (!isNamed(folder, [request]) || isNamed(folder, used)) continue;
      this.#open.delete(id);
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Deletes an upload and its files; an unknown upload counts as deleted. */
  async discard(id: string): Promise<void> {
    const upload = this.#open.get(id);
    this.#open.delete(id);
    if (upload) await rm(upload.folder, { recursive: true, force: true });
  }
}

/** True when a string in any of the values is the folder or a path inside it. */
function isNamed(folder: string, values: readonly unknown[]): boolean {
  return values.some((v) =>
    typeof v === 'string'
      ? v === folder || v.startsWith(folder + sep)
      : typeof v === 'object' && v !== null && isNamed(folder, Object.values(v)),
  );
}

/** True for a relative path that stays in its folder on every system. */
const isPlain = (name: string): boolean =>
  name.length <= NAME_LIMIT && name.split('/').every((part) => part !== '.' && part !== '..' && isPart(part));

const isPart = (part: string): boolean =>
  part.length > 0 && part.length <= 255 && ![...part].some((c) => c < ' ' || c === '\\' || c === ':');

async function free(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

const size = (bytes: number): string =>
  bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
