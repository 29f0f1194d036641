/** Reads data files as text or bytes. Errors carry the file's name. */
import { open, readFile } from 'node:fs/promises';
import { SecateurError } from '../../shared/contract/errors.ts';
import { isLfsPointer, LFS_POINTER_LIMIT } from '../engine/lfs-pointer.ts';

/** @throws 'file-not-found', 'file-unreadable', 'lfs-pointer' */
export async function readText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((e: NodeJS.ErrnoException) => {
    if (e.code === 'ENOENT') throw new SecateurError('file-not-found', { path });
    throw new SecateurError('file-unreadable', { path, reason: e.message }, { cause: e });
  });
  if (isLfsPointer(bytes)) throw new SecateurError('lfs-pointer', { path });
  return bytes.toString('utf8');
}

/**
 * Ignores files that cannot be read: the code that reads their content reports them.
 * @throws 'lfs-pointer'
 */
export async function refuseLfsPointer(path: string): Promise<void> {
  const file = await open(path).catch(() => null);
  if (!file) return;
  try {
    const head = new Uint8Array(LFS_POINTER_LIMIT);
    const { bytesRead } = await file.read(head, 0, head.length, 0).catch(() => ({ bytesRead: 0 }));
    if (isLfsPointer(head.subarray(0, bytesRead))) throw new SecateurError('lfs-pointer', { path });
  } finally {
    await file.close();
  }
}
