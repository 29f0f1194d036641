/** What the data directory holds, and making room in it. */
import type { ArtifactInfo, ArtifactStore } from '../storage/artifacts.ts';

const DAY = 86_400_000;

export class StorageService {
  readonly #artifacts: ArtifactStore;

  constructor(artifacts: ArtifactStore) {
    this.#artifacts = artifacts;
  }

  async list(): Promise<{ artifacts: ArtifactInfo[]; bytes: number }> {
    const artifacts = await this.#artifacts.list();
    return { artifacts, bytes: artifacts.reduce((sum, a) => sum + a.bytes, 0) };
  }

  /** Removes what no job has used for `days`, and leftovers of processes that died. */
  async prune(days: number, maxBytes?: number): Promise<{ removed: number; bytes: number }> {
    await this.#artifacts.sweep();
    const gone = await this.#artifacts.prune({
      olderThanMs: days * DAY,
      ...(maxBytes !== undefined && { maxBytes }),
    });
    return { removed: gone.length, bytes: gone.reduce((sum, a) => sum + a.bytes, 0) };
  }
}
