/** Errors of a full disk name the folder: what the system says of a write carries no path. */
import { SecateurError } from '../../shared/contract/errors.ts';

/** Runs what writes into a folder. @throws SecateurError 'disk-full' with the folder; else what `work` throws */
export async function writingTo<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    throw SecateurError.ofFullDisk(e, folder) ?? e;
  }
}
