import { seededRandom } from '../random.ts';
import type { Criterion } from './contract.ts';

/** A different number for every group, so that groups of equal width do not lose the same units. */
function hash(s: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** Uniform random scores: the baseline that every report shows. */
export const criterion: Criterion = {
  name: 'random',
  summary: 'Random order (a baseline)',
  needs: 'none',
  score({ group, seed }) {
    const random = seededRandom(seed).fork(hash(group.id));
    return Float64Array.from({ length: group.units }, () => random.next());
  },
};
