/** Short descriptions of the predictions for one sample, before and after pruning. */
import { inOrder } from '../executor.ts';
import type { Look, Outputs, Said } from '../heads/contract.ts';
import { HEADS } from '../heads/registry.ts';
import { difference } from '../heads/support/metrics.ts';
import { floats } from '../heads/support/values.ts';
import { jointOf } from './joint.ts';

/**
 * Describes outputs with a joint meaning if there are any, else the first output that holds floats: as its head
 * describes it, or by the cosine to the original's.
 * @param before outputs of one sample
 * @param names of the classes, if known
 */
export function sayPrediction(
  before: Outputs,
  after: Outputs,
  o: Look & { readonly names: readonly string[] | null },
  heads = HEADS,
): Said {
  const joint = jointOf(before, o, heads);
  if (joint) return joint.say(before, after);
  for (const [name, t] of inOrder(before, o.order)) {
    const other = after[name];
    const [a, b] = [floats(t), other ? floats(other) : null];
    if (!a || !b) continue;
    const meaning = o.meanings.get(name);
    const said = meaning && heads.of(meaning.reading).say?.(t, other!, { meaning, names: o.names });
    if (said) return said;
    if (a.length !== b.length) continue;
    const { dot, signal, other: power } = difference(a, b);
    const cosine = dot / Math.sqrt(signal * power || 1);
    return { before: 'cosine 1', after: `cosine ${cosine.toFixed(4)}` };
  }
  return { before: '', after: '' };
}
