import { int } from '../../../../ir/attribute.ts';
import type { Value } from '../../../../ir/value.ts';
import { lengthOf } from '../length.ts';
import type { CriterionContext, Where } from './criterion.ts';

/** Float [1, S]: the share of the last token's attention on each token of the run, as the mean over heads. */
export function attentionOnRun(ctx: CriterionContext, where: Where): Value {
  const { b, image } = ctx;
  const attention = b.op('Softmax', [ctx.rotated(where)], { axis: int(-1) });
  const shares = b.reduceMean(attention, [1, 2], false);
  // The keys of the run come last.
  const run = b.neg(lengthOf(b, image, 1));
  const end = b.ints([Number.MAX_SAFE_INTEGER]);
  return b.op('Slice', [shares, run, end, b.ints([1])]);
}
