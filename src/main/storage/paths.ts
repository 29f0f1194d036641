/** Where Secateur keeps its data. SECATEUR_HOME overrides the platform's place for user data. */
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';

export interface HomePaths {
  readonly home: string;
  readonly database: string;
  readonly artifacts: string;
  readonly memo: string;
  /** Job logs, one file per job. */
  readonly logs: string;
  readonly settings: string;
  /** Bundles of jobs that the window starts, unless another folder is chosen. */
  readonly bundles: string;
  /** Files dropped on the page of a browser. */
  readonly uploads: string;
  /** Port and token of the served window. */
  readonly served: string;
}

/** The data directory as an absolute path. It may not exist yet. */
export function dataHome(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  if (env['SECATEUR_HOME']) return resolve(env['SECATEUR_HOME']);
  // The XDG specification requires that a relative path is ignored.
  const xdg = env['XDG_DATA_HOME'];
  if (xdg && isAbsolute(xdg)) return join(xdg, 'secateur');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'secateur');
  if (platform === 'win32') return join(env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'secateur');
  return join(homedir(), '.local', 'share', 'secateur');
}

/** @internal */
export function homePaths(home: string = dataHome()): HomePaths {
  return {
    home,
    database: join(home, 'secateur.db'),
    artifacts: join(home, 'artifacts'),
    memo: join(home, 'memo'),
    logs: join(home, 'logs'),
    settings: join(home, 'settings.json'),
    bundles: join(home, 'bundles'),
    uploads: join(home, 'uploads'),
    served: join(home, 'served.json'),
  };
}

/**
 * Creates the data directory.
 * @throws 'home-unwritable', 'disk-full'
 */
export function ensureHome(home: string): HomePaths {
  const paths = homePaths(home);
  try {
    mkdirSync(paths.artifacts, { recursive: true });
  } catch (e) {
    const full = SecateurError.ofFullDisk(e, home);
    if (full) throw full;
    throw new SecateurError('home-unwritable', { path: home, reason: (e as Error).message }, { cause: e });
  }
  return paths;
}
