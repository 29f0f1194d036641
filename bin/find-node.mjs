// Finds the Node that runs Secateur: its native modules crash on old versions.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** better-sqlite3 crashes on Node below 22.14. */
export function newEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 14);
}

/**
 * Returns the Node 24 installed by `npm ci`, or this Node when it is new enough. Otherwise prints a
 * remedy and ends the process.
 */
export function findNode() {
  const exe = process.platform === 'win32' ? 'node.exe' : 'node';
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const packages = [`node-${system}-${process.arch}`, `node-bin-${system}-${process.arch}`];
  for (const folder of [join(root, 'node_modules'), dirname(root)]) {
    for (const name of packages) {
      const path = join(folder, name, 'bin', exe);
      if (existsSync(path)) return path;
    }
  }
  if (newEnough()) return process.execPath;
  return fail(
    `Secateur needs Node 22.14 or newer; this is ${process.versions.node}.`,
    'Run `npm ci` without --omit=optional (it brings Node 24), or install a newer Node.',
  );
}

/** Prints the fault and the remedy, and ends the process. */
export function fail(message, remedy) {
  process.stderr.write(`${message}\n${remedy}\n`);
  process.exit(1);
}
