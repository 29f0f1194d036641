/** Usage of the data folder, and the removal of old content. */
import type { ArtifactInfo, ArtifactStore } from '../storage/artifacts.ts';
import { pruneMemos } from '../storage/memo.ts';

const DAY = 86_400_000;

export class StorageService {
  readonly #artifacts: ArtifactStore;
  readonly #memo: string;

  constructor(artifacts: ArtifactStore, memo: string) {
    this.#artifacts = artifacts;
    this.#memo = memo;
  }

  async list(): Promise<{ artifacts: ArtifactInfo[]; bytes: number }> {
    const artifacts = await this.#artifacts.list();
    return { artifacts, bytes: artifacts.reduce((sum, a) => sum + a.bytes, 0) };
  }

  /** Removes artifacts that no job has used for `days`, and leftovers of dead processes. */
  async prune(days: number, maxBytes?: number): Promise<{ removed: number; bytes: number }> {
    await this.#artifacts.sweep();
    const gone = await this.#artifacts.prune({
      olderThanMs: days * DAY,
      ...(maxBytes !== undefined && { maxBytes }),
    });
    const memos = pruneMemos(this.#memo, days * DAY);
    return {
      removed: gone.length + memos.removed,
      bytes: gone.reduce((sum, a) => sum + a.bytes, memos.bytes),
    };
  }
}
