/** A plan that took long to find, in the artifact store: found once for a key. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StageContext } from '../context.ts';
import { keyOf, stateOf, type Candidate } from '../../engine/allocation/fit-budget.ts';

type Kept = Omit<Candidate, 'state'> & { readonly state: string };

export async function cachedCandidate(
  kind: string,
  key: Readonly<Record<string, unknown>>,
  ctx: Pick<StageContext, 'artifact'>,
  find: () => Promise<Candidate>,
): Promise<Candidate> {
  const dir = await ctx.artifact(kind, key, async (to) => {
    const found = await find();
    const kept: Kept = { ...found, state: keyOf(found.state) };
    await writeFile(join(to, 'plan.json'), JSON.stringify(kept));
  });
  const kept = JSON.parse(await readFile(join(dir, 'plan.json'), 'utf8')) as Kept;
  return { ...kept, state: stateOf(kept.state) };
}
