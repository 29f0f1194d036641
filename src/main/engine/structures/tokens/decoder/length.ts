import type { GraphBuilder } from '../../../autodiff/builder.ts';
import { int } from '../../../ir/attribute.ts';
import type { Value } from '../../../ir/value.ts';

/** int64 [1]: the size of an axis. */
export const lengthOf = (b: GraphBuilder, v: Value, axis: number): Value =>
  b.opset >= 15
    ? b.op('Shape', [v], { start: int(axis), end: int(axis + 1) })
    : b.slice(b.op('Shape', [v]), [axis], [axis + 1], [0]);
