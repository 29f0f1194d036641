/**
 * Decides which files the window may name: files the user chose, and everything below chosen
 * folders. The window's own file list may go anywhere the user may read, but it holds only names
 * and sizes, never contents.
 */
import { accessSync, constants, realpathSync, readdirSync, statSync, type Stats } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { FileKind, FolderListing } from '../../shared/contract/routes.ts';
import { unreadable } from '../storage/file-source.ts';

/** Largest number of listed entries. */
const LIMIT = 2000;

const ENDINGS: Record<FileKind, RegExp | null> = {
  model: /\.onnx$/i,
  data: /\.(csv|tsv|npy|npz|png|jpe?g|webp|bmp|tiff?|gif)$/i,
  labels: /\.(csv|txt|npy|npz|json)$/i,
  preprocess: /\.json$/i,
  bundle: /\.zip$/i,
  folder: null,
};

export class FileAccess {
  readonly #granted = new Set<string>();

  /**
   * Grants a path. Links are resolved once, here: a link that is changed later does not extend the
   * grant.
   */
  grant(path: string): void {
    this.#granted.add(canonical(path));
  }

  /**
   * Returns the path when it was chosen or lies in a chosen folder, even if it does not exist yet.
   * A link to a file keeps its own name, since its extension and its neighbouring files belong to
   * the link. Throws `path-refused`.
   */
  check(path: string): string {
    const full = canonical(path);
    for (let p = full; ; p = dirname(p)) {
      if (this.#granted.has(p)) return named(path, full);
      if (dirname(p) === p) throw new SecateurError('path-refused', { path });
    }
  }

  /**
   * Grants a path that the user picked in the window's own list or typed there. `~` is the home
   * folder. Throws `path-not-absolute`, `file-not-found` or `file-unreadable`.
   */
  choose(typed: string): { path: string; kind: 'file' | 'folder' } {
    const path = fromTyped(typed);
    let info: Stats;
    try {
      info = statSync(path);
      accessSync(path, constants.R_OK);
    } catch (e) {
      throw unreadable(path, e);
    }
    if (!info.isFile() && !info.isDirectory())
      throw new SecateurError('file-unreadable', { path, reason: 'it is neither a file nor a folder' });
    this.grant(path);
    return { path: named(path, canonical(path)), kind: info.isDirectory() ? 'folder' : 'file' };
  }

  /**
   * Lists the subfolders and the files of a kind in a chosen folder. Null: the first chosen folder.
   * Throws `path-refused`.
   */
  list(folder: string | null, kind: FileKind): FolderListing {
    return listed(this.check(folder ?? this.#first()), kind, (at) => {
      try {
        return this.check(at);
      } catch {
        return null;
      }
    });
  }

  /**
   * Lists any folder that the user may read; for a file, its folder. Null: the first chosen folder.
   * Throws `path-not-absolute`, `file-not-found` or `file-unreadable`.
   */
  browse(folder: string | null, kind: FileKind): FolderListing {
    const path = fromTyped(folder ?? this.#first());
    try {
      const isFile = !statSync(path).isDirectory();
      const listing = listed(realpathSync(isFile ? dirname(path) : path), kind, (at) => at);
      return isFile ? { ...listing, file: join(listing.folder, basename(path)) } : listing;
    } catch (e) {
      throw unreadable(path, e);
    }
  }

  #first(): string {
    return [...this.#granted][0] ?? homedir();
  }
}

function listed(at: string, kind: FileKind, parentOf: (path: string) => string | null): FolderListing {
  const wanted = ENDINGS[kind];
  let names: string[];
  try {
    names = readdirSync(at);
  } catch (e) {
    throw unreadable(at, e);
  }
  const entries = names.flatMap((name): FolderListing['entries'] => {
    if (name.startsWith('.')) return [];
    const path = join(at, name);
    let info: Stats;
    try {
      info = statSync(path);
    } catch {
      // A broken or circular link, or a file that was deleted meanwhile.
      return [];
    }
    if (info.isDirectory()) return [{ name, path, kind: 'folder', bytes: 0 }];
    return info.isFile() && wanted?.test(name) ? [{ name, path, kind: 'file', bytes: info.size }] : [];
  });
  entries.sort((a, b) => (a.kind === b.kind ? a.name.localeCompare(b.name) : a.kind === 'folder' ? -1 : 1));
  return {
    folder: at,
    parent: dirname(at) === at ? null : parentOf(dirname(at)),
    entries: entries.slice(0, LIMIT),
    more: Math.max(0, entries.length - LIMIT),
  };
}

/** Returns the absolute path, with `~` expanded. Throws `path-not-absolute`. */
function fromTyped(typed: string): string {
  const path = typed.trim().replace(/^~(?=$|[\\/])/, () => homedir());
  if (!isAbsolute(path)) throw new SecateurError('path-not-absolute', { path: typed });
  return resolve(path);
}

/**
 * Resolves the folder of a link to a file but keeps the link's name; resolves everything else
 * completely.
 */
function named(path: string, full: string): string {
  const at = resolve(path);
  if (basename(full) === basename(at) || !statSync(full, { throwIfNoEntry: false })?.isFile()) return full;
  return join(canonical(dirname(at)), basename(at));
}

/** Resolves a path whose last parts may not exist yet. */
function canonical(path: string): string {
  let at = resolve(path);
  const rest: string[] = [];
  for (;;) {
    try {
      return join(realpathSync(at), ...rest);
    } catch {
      if (dirname(at) === at) return resolve(path);
      rest.unshift(at.slice(dirname(at).length).replace(/^[\\/]/, ''));
      at = dirname(at);
    }
  }
}
