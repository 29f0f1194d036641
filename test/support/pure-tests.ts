// Finds the unit tests that `npm run test:fast` runs: those that load no native code and start no process.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './files.ts';

/** Packages with native code, and the modules that start processes and threads. */
const IMPURE = new Set([
  'onnxruntime-node',
  'better-sqlite3',
  'sharp',
  'electron',
  'node:child_process',
  'node:worker_threads',
]);

/** Checks over source text. The other checks start tools or read the build. */
const CHECKS = ['test/checks/imports.test.ts', 'test/checks/unused-exports.test.ts'];

// Types are erased, so `import type` loads nothing. Globs stay in the room of their file.
const IMPORT = /^(?:import|export)\s(?!type\s)(?:[^;'"]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm;

/** Specifiers of the modules that a source loads. */
export function loadedBy(source: string): string[] {
  return [...source.matchAll(IMPORT)].map((m) => m[1] ?? m[2]!);
}

/** Paths, relative to the repository, of the pure unit tests. */
export function pureTests(): string[] {
  const imports = new Map<string, string[]>();
  const importsOf = (path: string): string[] => {
    if (!imports.has(path)) imports.set(path, existsSync(path) ? loadedBy(readFileSync(path, 'utf8')) : []);
    return imports.get(path)!;
  };
  const isPure = (test: string): boolean => {
    const seen = new Set([test]);
    for (const path of seen)
      for (const specifier of importsOf(path)) {
        if (IMPURE.has(specifier)) return false;
        if (specifier.startsWith('.')) seen.add(join(dirname(path), specifier));
      }
    return true;
  };
  const unit = globSync('src/**/*.test.ts', { cwd: ROOT }).sort();
  return [...unit.filter((test) => isPure(join(ROOT, test))), ...CHECKS];
}
