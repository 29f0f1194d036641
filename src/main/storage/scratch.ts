/** Temporary folders whose names contain their owner. Folders of killed processes are removed. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, ownedName, ownerOf } from './process-identity.ts';

const PREFIX = 'secateur-scratch-';

/** Roots that this process has swept already. */
const swept = new Set<string>();

/**
 * Creates a folder; the caller removes it.
 * @param root its parent, default the system's temporary folder
 */
export async function scratchFolder(root = tmpdir()): Promise<string> {
  if (!swept.has(root)) {
    swept.add(root);
    for (const name of await readdir(root)) {
      const owner = ownerOf(name, PREFIX);
      if (!owner || isAlive(owner)) continue;
      // The folder may belong to another user.
      await rm(join(root, name), { recursive: true, force: true }).catch(() => undefined);
    }
  }
  return mkdtemp(join(root, ownedName(PREFIX)));
}
