/** Opens model files for stages: the model, its hash, and the size of all its files. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Model } from '../../engine/ir/model.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { requireRunnable, type RunnableOptions } from './runnable.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';

export interface LoadedModel {
  readonly model: Model;
  /**
   * Hex hash of the model file; with external data, of that file and its data files in order of
   * their names.
   */
  readonly sha256: string;
  /** Size of all files. */
  readonly bytes: number;
}

/** Throws file-*, model-*, external-data-*, and errors of `requireRunnable`. */
export async function loadWithHash(path: string, options: RunnableOptions = {}): Promise<LoadedModel> {
  const external = new Set<string>();
  const model = openModelFile(path, (location) => external.add(location.replaceAll('\\', '/')));
  requireRunnable(model, options);
  const files = [path, ...[...external].sort().map((name) => join(dirname(path), name))];
  const hash = createHash('sha256');
  let bytes = 0;
  for (const file of files) {
    try {
      bytes += (await stat(file)).size;
      for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
    } catch (e) {
      throw new SecateurError('file-unreadable', { path: file, reason: (e as Error).message }, { cause: e });
    }
  }
  return { model, sha256: hash.digest('hex'), bytes };
}
