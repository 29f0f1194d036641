/** Puts the wizard where a job was started from: its model, data, budget and recipe, and the job itself as the one shown. */
import { call } from '../app/bridge.ts';
import { wizard } from '../state/wizard.svelte.ts';
import type { CompressInput } from '../../shared/contract/routes.ts';

let turn = 0;

/** What the job was asked to do, or null when it is no compression. Of several that are asked for, the last one counts. */
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
