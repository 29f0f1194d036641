// Lists files of the repository, for tests that read the source or the build.
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

/** Paths below `folder` that end in one of `endings`, relative to the repository, with forward slashes, sorted. */
export function sourceFiles(folder: string, endings: readonly string[]): string[] {
  return readdirSync(resolve(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((name) => endings.some((e) => name.endsWith(e)))
    .sort();
}
