/** Restores in the wizard the model, data, budget and recipe of a job, and shows that job. */
import { call } from '../app/bridge.ts';
import { wizard } from '../state/wizard.svelte.ts';
import type { CompressInput } from '../../shared/contract/routes.ts';

let turn = 0;

/**
 * Returns the job's request, or null when it is not a compression. When several jobs are requested,
 * only the last one is restored.
 */
export async function bring(id: string): Promise<CompressInput | null> {
  const mine = ++turn;
  const { request, kind } = await call('jobs.get', { id });
  if (mine !== turn) return null;
  wizard.job = id;
  if (kind !== 'compress') return null;
  const r = request as CompressInput;
  wizard.take(id, r);
  return r;
}
