/** Which files the window may name: those that the user chose, and what lies below chosen folders. */
import { realpathSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { FileKind, FolderListing } from '../../shared/contract/routes.ts';

/** Entries that are listed at most. */
const LIMIT = 2000;

const ENDINGS: Record<FileKind, RegExp | null> = {
  model: /\.onnx$/i,
  data: /\.(csv|npy|npz|png|jpe?g|webp|bmp|tiff?|gif)$/i,
  labels: /\.(csv|txt|npy|npz|json)$/i,
  preprocess: /\.json$/i,
  bundle: /\.zip$/i,
  folder: null,
};

export class FileAccess {
  readonly #granted = new Set<string>();

  /** Links are followed once, here: what a link points to later is not what was chosen. */
  grant(path: string): void {
    this.#granted.add(canonical(path));
  }

  /** The path as it is, when it was chosen or lies in a chosen folder; also one that does not exist yet. Throws `path-refused`. */
  check(path: string): string {
    const full = canonical(path);
    for (let p = full; ; p = dirname(p)) {
      if (this.#granted.has(p)) return full;
      if (dirname(p) === p) throw new SecateurError('path-refused', { path });
    }
  }

  /** Folders, and the files of a kind, of a folder that may be looked at. Null: the first chosen folder. */
  list(folder: string | null, kind: FileKind): FolderListing {
    const at = this.check(folder ?? [...this.#granted][0] ?? sep);
    const wanted = ENDINGS[kind];
    let names: string[];
    try {
      names = readdirSync(at);
    } catch (e) {
      throw new SecateurError('file-unreadable', { path: at, reason: (e as Error).message }, { cause: e });
    }
    const entries = names.flatMap((name): FolderListing['entries'] => {
      if (name.startsWith('.')) return [];
      const path = join(at, name);
      const info = statSync(path, { throwIfNoEntry: false });
      if (info?.isDirectory()) return [{ name, path, kind: 'folder', bytes: 0 }];
      return info?.isFile() && wanted?.test(name) ? [{ name, path, kind: 'file', bytes: info.size }] : [];
    });
    entries.sort((a, b) => (a.kind === b.kind ? a.name.localeCompare(b.name) : a.kind === 'folder' ? -1 : 1));
    return {
      folder: at,
      parent: this.#parent(at),
      entries: entries.slice(0, LIMIT),
      more: Math.max(0, entries.length - LIMIT),
    };
  }

  #parent(at: string): string | null {
    try {
      return dirname(at) === at ? null : this.check(dirname(at));
    } catch {
      return null;
    }
  }
}

/** Of a path whose last parts may not exist yet. */
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
