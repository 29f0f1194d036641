/** Folders in the system's temporary folder that bear their owner's name: those of a process that was killed are removed. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, ownIdentity } from './process-identity.ts';

const NAME = /^secateur-scratch-(\d+)-([0-9a-z]*)-/;

/** A new folder; whoever asks for it removes it. @param root where, default the system's temporary folder */
export async function scratchFolder(root = tmpdir()): Promise<string> {
  for (const name of await readdir(root)) {
    const found = NAME.exec(name);
    if (!found || isAlive({ pid: Number(found[1]), start: found[2]! })) continue;
    // Another user's, perhaps.
    await rm(join(root, name), { recursive: true, force: true }).catch(() => undefined);
  }
  const { pid, start } = ownIdentity();
  return mkdtemp(join(root, `secateur-scratch-${pid}-${start}-`));
}
