/**
 * Resources that a worker opens for one task: the executor, the latency table of this machine, the
 * artifact store, past times.
 */
import { createExecutor } from '../runtime/executor.ts';
import { localDevice } from '../runtime/device.ts';
import { weighExternalMemory } from '../runtime/external-memory.ts';
import { ArtifactStore } from '../storage/artifacts.ts';
import { openDatabase } from '../storage/database.ts';
import { LatencyRepository } from '../storage/latency-repository.ts';
import { Memo } from '../storage/memo.ts';
import { ensureHome } from '../storage/paths.ts';
import { StageTimesRepository } from '../storage/stage-times-repository.ts';
import type { StageContext } from '../pipeline/context.ts';
import { expectedSeconds } from './expected-seconds.ts';

export interface TaskStart {
  readonly id: string;
  readonly task: string;
  readonly input: unknown;
  readonly home: string;
}

/**
 * A stage that took less than this share of its last time took its result from the store, so its
 * time is not recorded.
 */
const REUSED = 0.25;

/** @param thread entry file of a session's thread; without it no threads are started */
export async function openWorker(
  start: TaskStart,
  thread?: string,
): Promise<{
  context: Pick<StageContext, 'executor' | 'latency' | 'artifact' | 'memo'>;
  expected: ReturnType<typeof expectedSeconds>;
  finished(seconds: Readonly<Record<string, number>>): void;
}> {
  weighExternalMemory();
  const paths = ensureHome(start.home);
  const db = openDatabase(paths.database);
  const artifacts = new ArtifactStore(paths.artifacts);
  await artifacts.sweep();
  const times = new StageTimesRepository(db);
  const { id, processor, runtime } = localDevice();
  const subject = subjectOf(start.input);
  const past = times.get(start.task, subject);
  const own = subject === '' ? {} : times.own(start.task, subject);
  return {
    context: {
      executor: createExecutor(thread),
      latency: new LatencyRepository(db).table({ device: id, processor, runtime }),
      artifact: (stage, key, make) => artifacts.get(stage, key, make),
      memo: (name, key) => new Memo(paths.memo, name, key),
    },
    expected: expectedSeconds(start.task, start.input, past, Object.keys(own).length > 0),
    finished: (seconds) => {
      if (subject === '') return;
      const fresh = Object.entries(seconds).filter(([stage, s]) => s >= (own[stage] ?? 0) * REUSED);
      times.put(start.task, subject, Object.fromEntries(fresh));
    },
  };
}

/** The main determinants of a task's duration: the model, and the recipe if there is one. */
function subjectOf(input: unknown): string {
  const r = input as Record<string, unknown> | null;
  const path = r?.['model'] ?? r?.['original'] ?? r?.['bundle'];
  if (typeof path !== 'string') return '';
  const recipe = (r?.['recipe'] as { name?: unknown } | undefined)?.name;
  return typeof recipe === 'string' ? `${path}\n${recipe}` : path;
}
