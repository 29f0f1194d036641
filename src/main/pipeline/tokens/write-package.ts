/** Writes a package with another vision component: complete, or not at all. */
import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import { syncTree } from '../../storage/atomic.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import { scratchFolder } from '../../storage/scratch.ts';
import type { TokenSubject } from './subject.ts';
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
 * Writes the package under a temporary name beside `out`, lets `use` work with it, and renames it. Other precisions of a
 * changed vision component are left out, because they still give the old number of tokens; so are entries whose names
 * begin with a dot.
 * @throws 'out-unusable', 'disk-full', and errors of `use`; then nothing is left
 */
export async function writePackage<T>(
  subject: TokenSubject,
  variant: Variant,
  out: string,
  use: (draft: Draft) => Promise<T>,
): Promise<T> {
  const { root } = subject.pkg;
  refuseOut(out, root);
  let scratch: string | undefined;
  try {
    await mkdir(dirname(out), { recursive: true });
    scratch = await scratchFolder(dirname(out));
    const folder = join(scratch, 'package');
    const draft = await fill(subject, variant, folder);
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

async function fill(subject: TokenSubject, { model, configs }: Variant, folder: string): Promise<Draft> {
  const { pkg, encoder } = subject;
  const files = await filesBelow(pkg.root);
  const variants = model ? pkg.components.find((c) => c.id === encoder.id)!.variants : [];
  const data = model ? ownData(subject, files, variants) : { gone: [], kept: new Set<string>() };
  const leftOut = new Set([...variants, ...data.gone]);
  const changed = new Set([...Object.keys(configs), ...(model ? [encoder.file] : [])]);
  for (const file of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    if (leftOut.has(file) || changed.has(file)) continue;
    await copyFile(join(pkg.root, file), join(folder, file), constants.COPYFILE_FICLONE);
  }
  for (const [file, content] of Object.entries(configs))
    await writeFile(join(folder, file), `${JSON.stringify(content, null, 2)}\n`);
  if (model) {
    const path = join(folder, encoder.file);
    const hasData = subject.dataFiles.length > 0;
    let name = `${path.split(sep).at(-1)!}.data`;
    while (data.kept.has(name)) name = `tokens.${name}`;
    const saved = saveModelFile(model, path, hasData ? { externalData: { location: name } } : {});
    for (const f of saved.files) {
      const file = relative(folder, f).split(sep).join('/');
      changed.add(file);
      leftOut.delete(file);
    }
  }
  return { folder, changed: [...changed].sort(), leftOut: [...leftOut].sort() };
}

/** Data files that only the old vision component and its other precisions read, and names that others read. */
function ownData(
  { pkg, encoder, dataFiles }: TokenSubject,
  files: readonly string[],
  variants: readonly string[],
): { readonly gone: string[]; readonly kept: ReadonlySet<string> } {
  const dataOf = (file: string): string[] => {
    const found: string[] = [];
    openModelFile(join(pkg.root, file), (location) => found.push(location));
    return found.map((location) => [...file.split('/').slice(0, -1), location].join('/'));
  };
  const replaced = new Set([encoder.file, ...variants]);
  const others = files.filter((f) => /\.onnx$/i.test(f) && !replaced.has(f));
  const kept = new Set(others.flatMap(dataOf));
  const gone = [...dataFiles, ...variants.flatMap(dataOf)].filter((f) => !kept.has(f));
  return { gone, kept: new Set([...kept].map((f) => f.split('/').at(-1)!)) };
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
