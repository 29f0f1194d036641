/** Writes files and folders so that they are either complete on disk or absent. */
import { randomBytes } from 'node:crypto';
import { lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';

/** Writes beside the target, flushes, then renames: a reader sees the old file or the new one, never a partial one. */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o666): Promise<void> {
  const temp = join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    const file = await open(temp, 'wx', mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temp, path);
  } catch (e) {
    await rm(temp, { force: true });
    throw SecateurError.ofFullDisk(e, dirname(path)) ?? e;
  }
  await syncDirectory(dirname(path));
}

/**
 * Flushes a directory entry. Windows and some network file systems do not support this; there, a plain rename must do.
 */
export async function syncDirectory(dir: string): Promise<void> {
  try {
    const handle = await open(dir, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Not supported here.
  }
}

/**
 * Flushes every file and folder below `dir`.
 * @returns bytes held
 */
export async function syncTree(dir: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    const info = await lstat(path);
    if (info.isDirectory()) bytes += await syncTree(path);
    else if (info.isFile()) {
      // Windows flushes only handles opened for writing.
      const file = await open(path, 'r+');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
      bytes += info.size;
    }
  }
  await syncDirectory(dir);
  return bytes;
}
