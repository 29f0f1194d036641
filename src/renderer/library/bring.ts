/** Puts the wizard where a job was started from: its model, data and recipe, and the job itself as the one shown. */
import { call } from '../app/bridge.ts';
import { wizard } from '../state/wizard.svelte.ts';
import type { CompressInput } from '../../shared/contract/routes.ts';
import type { Recipe } from '../../shared/model/job.ts';

/** What the job was asked to do, or null when it is no compression. */
export async function bring(id: string): Promise<CompressInput | null> {
  const { request, kind } = await call('jobs.get', { id });
  wizard.job = id;
  if (kind !== 'compress') return null;
  const r = request as CompressInput;
  if (wizard.model !== r.model) void wizard.open(r.model, id);
  wizard.data = r.data ?? null;
  wizard.labels = r.labels ?? null;
  wizard.preprocess = r.preprocess ?? null;
  wizard.preview.clear();
  wizard.recipe = structuredClone(r.recipe) as Recipe;
  wizard.seed = r.seed;
  return r;
}
