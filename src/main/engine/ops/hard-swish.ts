import { float } from '../ir/attribute.ts';
import { unary, unaryExamples, withGrad } from './support/elementwise.ts';

/** y = x h with h = clip(x/6 + 1/2, 0, 1). Slope: h where h is flat, h + x/6 = 2h - 1/2 between. */
export const operator = unary(
  'HardSwish',
  withGrad((dY, { b, node }) => {
    const v = node.input(0)!;
    const h = b.op('HardSigmoid', [v], { alpha: float(1 / 6), beta: float(0.5) });
    const sloped = b.less(b.op('Abs', [v]), b.scalar(3));
    return [b.mul(dY, b.add(h, b.where(sloped, b.sub(h, b.scalar(0.5)), b.scalar(0))))];
  }),
  unaryExamples([-5, 5]),
);
