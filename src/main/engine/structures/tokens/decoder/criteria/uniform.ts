import { DType } from '../../../../ir/dtype.ts';
import { i64 } from '../../../../ir/tensor.ts';
import type { DecoderCriterion } from './criterion.ts';

/** Every so many tokens, whatever they hold: the baseline that ignores content. */
export const criterion: DecoderCriterion = {
  name: 'uniform',
  summary: 'Evenly spaced image tokens, whatever they hold',
  recommended: [{ depth: 0.25, keep: 0.5 }],
  emit({ b, image, left, take }) {
    // Token j of n stays where floor((j + 1) k / n) is larger than floor(j k / n), which holds for k of them.
    const after = b.op('CumSum', [b.cast(image, DType.INT64), b.tensor(i64([1], []))]);
    const before = b.sub(after, b.ints([1]));
    // No image token: the scores are not read, and nothing is divided by zero.
    const n = b.op('Max', [left, b.ints([1])]);
    const share = (j: typeof after): typeof after => b.div(b.mul(j, take), n);
    return { scores: b.maskFloat(b.greater(share(after), share(before))) };
  },
};
