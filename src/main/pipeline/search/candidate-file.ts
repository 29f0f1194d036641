/** Stores a plan that took long to find as a file. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keyOf, stateOf, type Candidate } from '../../engine/allocation/fit-budget.ts';
import type { Codec } from '../stage.ts';

type Kept = Omit<Candidate, 'state'> & { readonly state: string };

export const candidateFile: Codec<Candidate, Candidate, unknown> = {
  write(folder, found) {
    const kept: Kept = { ...found, state: keyOf(found.state) };
    return writeFile(join(folder, 'plan.json'), JSON.stringify(kept));
  },
  async read(folder) {
    const kept = JSON.parse(await readFile(join(folder, 'plan.json'), 'utf8')) as Kept;
    return { ...kept, state: stateOf(kept.state) };
  },
};
