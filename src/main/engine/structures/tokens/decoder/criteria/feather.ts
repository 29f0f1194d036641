import { int } from '../../../../ir/attribute.ts';
import { DType } from '../../../../ir/dtype.ts';
import { MemoryTensor } from '../../../../ir/tensor.ts';
import type { Value } from '../../../../ir/value.ts';
import type { CriterionContext, DecoderCriterion } from './criterion.ts';
import { HIDDEN } from '../hidden.ts';

/** The grid of the first cut keeps every third row and column. */
const STRIDE = 3;

/**
 * FEATHER (Endo, Wang and Yeung-Levy 2024, arXiv:2412.13180): attention of the last token on the image tokens in the
 * layer before the cut, without rotary positions, which favour the bottom of the image, as the mean over heads. The first
 * cut keeps a coarse grid besides.
 */
export const criterion: DecoderCriterion = {
  name: 'feather',
  summary: 'Attention of the last token without positions, and a coarse grid at the first cut (FEATHER)',
  recommended: [
    { depth: 0.25, keep: 0.3 },
    { depth: 0.5, keep: 0.09 },
  ],
  beyond(count, columns, stage) {
    if (stage > 0) return 0;
    if (columns === null) return Math.ceil(count / STRIDE ** 2);
    return Math.ceil(Math.ceil(count / columns) / STRIDE) * Math.ceil(columns / STRIDE);
  },
  emit(ctx, stage) {
    const { b, image } = ctx;
    const hidden = b.where(b.unsqueeze(image, [1, 2]), ctx.unrotated(), b.scalar(HIDDEN));
    const attention = b.op('Softmax', [hidden], { axis: int(-1) });
    const scores = b.reduceMean(attention, [1, 2], false);
    return stage === 0 ? { scores, always: grid(ctx) } : { scores };
  },
};

/** Every third row and column; without a known number of columns, every ninth token. */
function grid({ b, ordinal, columns }: CriterionContext): Value {
  // The pattern repeats, so a table holds it: a step of the answer then runs two operators and not seven.
  const period = columns === null ? STRIDE * STRIDE : STRIDE * columns;
  const stays = (i: number): boolean => (columns === null ? i === 0 : i < columns && i % STRIDE === 0);
  const table = new MemoryTensor(
    DType.BOOL,
    [period],
    Uint8Array.from({ length: period }, (_, i) => Number(stays(i))),
  );
  return b.op('Gather', [b.tensor(table, 'grid'), b.op('Mod', [ordinal, b.ints([period])])], { axis: int(0) });
}
