/** The files of a package: one ONNX file, or a folder with the components and configuration of one model. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';

export interface PackageFiles {
  /** Folder that file names are relative to. */
  readonly root: string;
  /** `.onnx` files, relative, with forward slashes, sorted by name. */
  readonly models: readonly string[];
  /** Readable JSON files by relative path. Tokenizers are left out, because they say nothing about the graphs. */
  readonly configs: Readonly<Record<string, unknown>>;
}

/** Levels of subfolders to search. */
const DEPTH = 3;
const MOST_FILES = 5000;
const MOST_JSON_BYTES = 1 << 20;
const NO_CONFIG = /(^|\/)(tokenizer|vocab|added_tokens|special_tokens_map)[^/]*\.json$/i;

/**
 * @param path an ONNX file, or a folder
 * @throws 'package-empty' for a folder without models; 'package-too-deep' for one that is not a package
 */
export function packageFiles(path: string): PackageFiles {
  if (!statSync(path).isDirectory()) return { root: join(path, '..'), models: [basename(path)], configs: {} };
  const files = filesBelow(path);
  const models = files.filter((f) => /\.onnx$/i.test(f));
  if (models.length === 0) throw new SecateurError('package-empty', { path });
  const configs: Record<string, unknown> = {};
  for (const f of files)
    if (/\.json$/i.test(f) && (!NO_CONFIG.test(f) || /tokenizer_config\.json$/i.test(f))) {
      const config = jsonAt(join(path, f));
      if (config !== undefined) configs[f] = config;
    }
  return { root: path, models, configs };
}

function filesBelow(root: string): string[] {
  const found: string[] = [];
  const visit = (folder: string, depth: number): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const path = join(folder, entry.name);
      // Model hubs store downloads as links into a cache.
      const info = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
      if (info?.isDirectory()) {
        if (depth < DEPTH && !entry.isSymbolicLink()) visit(path, depth + 1);
      } else if (info?.isFile()) found.push(relative(root, path).split(sep).join('/'));
      if (found.length > MOST_FILES) throw new SecateurError('package-too-deep', { path: root, limit: MOST_FILES });
    }
  };
  visit(root, 0);
  return found.sort();
}

/** undefined for a file that is not JSON; it is treated as absent. */
function jsonAt(path: string): unknown {
  if (statSync(path).size > MOST_JSON_BYTES) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch {
    return undefined;
  }
}
