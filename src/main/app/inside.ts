// Resolves URLs of the window to files. Only files inside one folder are served, after links are
// resolved.
import { realpath, stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';

/**
 * Returns the absolute path of the file for a URL of `host`, or null when it is not a file inside
 * `root`.
 */
export async function resolveInside(root: string, host: string, url: string): Promise<string | null> {
  try {
    const { host: asked, pathname } = new URL(url);
    if (asked !== host) return null;
    const name = decodeURIComponent(pathname);
    if (name.includes('\0') || name.includes('\\')) return null;
    const folder = await realpath(root);
    const file = await realpath(resolve(folder, `.${name}`));
    return file.startsWith(folder + sep) && (await stat(file)).isFile() ? file : null;
  } catch {
    return null;
  }
}
