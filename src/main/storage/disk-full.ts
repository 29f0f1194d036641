/** Adds the folder to disk-full errors: the system's error for a write carries no path. */
import { SecateurError } from '../../shared/contract/errors.ts';

/**
 * Runs `work`, which writes into `folder`.
 * @throws SecateurError 'disk-full' with the folder; else what `work` throws
 */
export async function writingTo<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    throw SecateurError.ofFullDisk(e, folder) ?? e;
  }
}
