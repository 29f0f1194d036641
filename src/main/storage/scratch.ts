/** Folders in the system's temporary folder that bear their owner's name: those of a process that was killed are removed. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, ownedName, ownerOf } from './process-identity.ts';

const PREFIX = 'secateur-scratch-';

/** Roots that this process has looked through. */
const swept = new Set<string>();

/** A new folder; whoever asks for it removes it. @param root where, default the system's temporary folder */
export async function scratchFolder(root = tmpdir()): Promise<string> {
  if (!swept.has(root)) {
    swept.add(root);
    for (const name of await readdir(root)) {
      const owner = ownerOf(name, PREFIX);
      if (!owner || isAlive(owner)) continue;
      // Another user's, perhaps.
      await rm(join(root, name), { recursive: true, force: true }).catch(() => undefined);
    }
  }
  return mkdtemp(join(root, ownedName(PREFIX)));
}
