/** Outputs that have a joint meaning, such as boxes, scores and labels of a detector. */
import type { Joint, Look, Outputs } from '../heads/contract.ts';
import { HEADS } from '../heads/registry.ts';

/** The outputs of a model that one head reads together; null where each is separate. */
export function jointOf(outputs: Outputs, look: Look, heads = HEADS): Joint | null {
  for (const head of heads.all()) {
    if (!head.together || ![...look.meanings.values()].some((m) => m.reading === head.reading)) continue;
    const joint = head.together(outputs, look);
    if (joint) return joint;
  }
  return null;
}
