/** Writes .npz archives for tests. */
import { writeFileSync } from 'node:fs';
import { ZipFile } from 'yazl';
import { encodeNpy } from '../../src/main/data/npy.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';

/** @param arrays by name */
export async function writeNpz(path: string, arrays: Readonly<Record<string, HostTensor>>): Promise<string> {
  const zip = new ZipFile();
  for (const [name, t] of Object.entries(arrays)) zip.addBuffer(Buffer.from(encodeNpy(t)), `${name}.npy`);
  zip.end();
  const parts: Buffer[] = [];
  for await (const p of zip.outputStream) parts.push(p as Buffer);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}
