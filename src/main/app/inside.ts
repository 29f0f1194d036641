// Which file a URL of the window names: only what lies inside one folder, links resolved.
import { realpath, stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';

/** The absolute path of the file that a URL of `host` names, or null when it is not a file inside `root`. */
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
