/** Bundles written by this user's jobs, in any folder. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { BundleEntry, CompressInput } from '../../shared/contract/routes.ts';
import { MANIFEST } from '../engine/bundle/layout.ts';
import type { CompressReport } from '../../shared/model/job.ts';
import type { JobService } from './jobs.ts';
import { choicesOf, resultOf, subjectOf } from './summaries.ts';

/** Number of jobs searched for bundles. */
const LIMIT = 1000;

export class BundleService {
  readonly #jobs: JobService;

  constructor(jobs: JobService) {
    this.#jobs = jobs;
  }

  /** Lists bundles, newest first. A folder that several jobs wrote belongs to the last of them. */
  list(): BundleEntry[] {
    const entries = new Map<string, BundleEntry>();
    for (const { id, kind, status, result, request, finishedAt } of this.#jobs.list(LIMIT)) {
      if (kind !== 'compress' || status !== 'done') continue;
      const report = result as CompressReport;
      const { bundle, result: pruned } = report;
      if (!bundle || !pruned) continue;
      const known = entries.get(bundle);
      if (known && known.createdAt >= (finishedAt ?? 0)) continue;
      entries.set(bundle, {
        path: bundle,
        job: id,
        ...subjectOf(request as CompressInput),
        ...choicesOf(request as CompressInput),
        ...resultOf(report),
        afterMs: report.workload?.afterMs ?? pruned.p50Ms,
        budgetMs: report.workload?.budgetMs ?? report.budgetMs,
        bytes: pruned.bytes,
        processor: report.provenance.processor,
        createdAt: finishedAt ?? 0,
        there: existsSync(bundle),
      });
    }
    return [...entries.values()].sort((a, b) => b.createdAt - a.createdAt);
  }

  /** True when a job of this user wrote a bundle to that path and the bundle still exists. */
  has(path: string): boolean {
    return this.list().some((b) => b.path === path && b.there);
  }

  /**
   * Deletes the bundle's folder and its zip; the job and its report stay. Throws `path-refused`.
   */
  async delete(path: string): Promise<void> {
    // Another file that took the bundle's path must not be deleted.
    if (!this.has(path) || !existsSync(join(path, MANIFEST))) throw new SecateurError('path-refused', { path });
    try {
      await rm(path, { recursive: true });
      await rm(`${path}.zip`, { force: true });
    } catch (e) {
      throw new SecateurError('file-unwritable', { path, reason: (e as Error).message }, { cause: e });
    }
  }
}
