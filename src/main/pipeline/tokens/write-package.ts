/** Writes a package with other components: complete, or not at all. */
import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import { syncTree } from '../../storage/atomic.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import { scratchFolder } from '../../storage/scratch.ts';
import type { OpenedPackage } from '../prepare/open-package.ts';
import type { Variant } from './variants.ts';

export interface Draft {
  /** The complete package under a temporary name. */
  readonly folder: string;
  /** Files that differ from the original's, relative, sorted. */
  readonly changed: readonly string[];
  /** Files of the original that are left out, relative, sorted. */
  readonly leftOut: readonly string[];
}

/** @throws 'out-unusable' for a folder that exists, or that lies inside the package */
export function refuseOut(out: string, root: string): void {
  const refuse = (reason: string): never => {
    throw new SecateurError('out-unusable', { path: out, reason });
  };
  if (existsSync(out)) refuse('it exists already, and nothing is overwritten');
  const inside = relative(resolve(root), resolve(out));
  if (inside !== '..' && !inside.startsWith(`..${sep}`)) refuse('it lies inside the package');
}

/**
 * Writes the package under a temporary name beside `out`, lets `use` work with it, and renames it. Other files of a
 * changed component, such as other precisions, are left out, because they are as before; so are entries whose names begin
 * with a dot.
 * @throws 'out-unusable', 'disk-full', and errors of `use`; then nothing is left
 */
export async function writePackage<T>(
  pkg: OpenedPackage,
  variant: Pick<Variant, 'models' | 'configs'>,
  out: string,
  use: (draft: Draft) => Promise<T>,
): Promise<T> {
  const { root } = pkg;
  refuseOut(out, root);
  let scratch: string | undefined;
  try {
    await mkdir(dirname(out), { recursive: true });
    scratch = await scratchFolder(dirname(out));
    const folder = join(scratch, 'package');
    const draft = await fill(pkg, variant, folder);
    const result = await use(draft);
    await syncTree(folder);
    refuseOut(out, root);
    await rename(folder, out);
    return result;
  } catch (e) {
    if (e instanceof SecateurError) throw e;
    const full = SecateurError.ofFullDisk(e, dirname(out));
    if (full) throw full;
    if ((e as NodeJS.ErrnoException).syscall === undefined) throw e;
    throw new SecateurError('out-unusable', { path: out, reason: (e as Error).message }, { cause: e });
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
}

async function fill(
  pkg: OpenedPackage,
  { models, configs }: Pick<Variant, 'models' | 'configs'>,
  folder: string,
): Promise<Draft> {
  const files = await filesBelow(pkg.root);
  const replaced = pkg.components.filter((c) => models.has(c.id));
  const data = dataFiles(pkg.root, files, replaced);
  const variants = replaced.flatMap((c) => c.variants);
  const leftOut = new Set([...variants, ...data.gone]);
  const changed = new Set([...Object.keys(configs), ...replaced.map((c) => c.file)]);
  for (const file of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    if (leftOut.has(file) || changed.has(file)) continue;
    await copyFile(join(pkg.root, file), join(folder, file), constants.COPYFILE_FICLONE);
  }
  for (const [file, content] of Object.entries(configs))
    await writeFile(join(folder, file), `${JSON.stringify(content, null, 2)}\n`);
  for (const { id, file } of replaced) {
    let name = `${posix.basename(file)}.data`;
    while (data.kept.has(posix.join(posix.dirname(file), name))) name = `tokens.${name}`;
    const external = data.of(file).length > 0 ? { externalData: { location: name } } : {};
    for (const saved of saveModelFile(models.get(id)!, join(folder, file), external).files) {
      const path = relative(folder, saved).split(sep).join('/');
      changed.add(path);
      leftOut.delete(path);
    }
  }
  return { folder, changed: [...changed].sort(), leftOut: [...leftOut].sort() };
}

/** Files, relative to the package, from which weights are read. */
interface DataFiles {
  readonly of: (file: string) => readonly string[];
  /** Those that only replaced components and their other files read. */
  readonly gone: readonly string[];
  /** Those that other components read. */
  readonly kept: ReadonlySet<string>;
}

function dataFiles(root: string, files: readonly string[], replaced: OpenedPackage['components']): DataFiles {
  const of = (file: string): string[] => {
    const found: string[] = [];
    openModelFile(join(root, file), (location) => found.push(posix.join(posix.dirname(file), location)));
    return [...new Set(found)];
  };
  const old = new Set(replaced.flatMap((c) => [c.file, ...c.variants]));
  const others = replaced.length > 0 ? files.filter((f) => /\.onnx$/i.test(f) && !old.has(f)) : [];
  const kept = new Set(others.flatMap(of));
  return { of, kept, gone: [...old].flatMap(of).filter((f) => !kept.has(f)) };
}

/** Files, relative with forward slashes. Links are followed, since model hubs store downloads as links into a cache. */
async function filesBelow(root: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    for (const { name } of await readdir(folder, { withFileTypes: true })) {
      if (name.startsWith('.')) continue;
      const path = join(folder, name);
      const info = await stat(path);
      if (info.isDirectory()) await visit(path);
      else if (info.isFile()) found.push(relative(root, path).split(sep).join('/'));
    }
  };
  await visit(root);
  return found.sort();
}
