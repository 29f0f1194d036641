/** Rotary position embedding in single operators (Su et al. 2021, arXiv:2104.09864), at fixed sizes. */
import { attrInt } from '../../ir/attribute.ts';
import type { Node } from '../../ir/node.ts';
import { i64 } from '../../ir/tensor.ts';
import type { Value } from '../../ir/value.ts';
import type { ExpandContext } from '../contract.ts';

type Emit = Pick<ExpandContext, 'b' | 'shape' | 'shared'>;

export interface RotationInputs {
  readonly value: Value;
  /** Tables [positions, half], or [B, S, half] where there are no positions. */
  readonly cos: Value;
  readonly sin: Value;
  /** int64 [B, S], or [1]: the position of the first token. */
  readonly positions: Value | null;
}

/**
 * Rotates pairs within heads.
 * @param heads [B, heads, S, size], which are `dims`
 * @param cos, sin that broadcast to [B, heads, S, half]
 * @param interleaved pairs are neighbours; otherwise halves of the rotated part
 */
export function rotateHeads(
  { b }: Pick<ExpandContext, 'b'>,
  heads: Value,
  { cos, sin, half, interleaved }: { cos: Value; sin: Value; half: number; interleaved: boolean },
  dims: readonly number[],
): Value {
  const [n, count, s, size] = dims as [number, number, number, number];
  const rotated = 2 * half < size ? b.slice(heads, [0], [2 * half], [3]) : heads;
  const pairs = b.reshape(rotated, interleaved ? [n, count, s, half, 2] : [n, count, s, 2, half]);
  const axis = interleaved ? 4 : 3;
  const part = (i: number): Value => b.reshape(b.slice(pairs, [i], [i + 1], [axis]), [n, count, s, half]);
  const [x, y] = [part(0), part(1)];
  const turned = [b.sub(b.mul(x, cos), b.mul(y, sin)), b.add(b.mul(y, cos), b.mul(x, sin))];
  const joined = b.reshape(
    b.concat(
      turned.map((v) => b.unsqueeze(v, [axis])),
      axis,
    ),
    [n, count, s, 2 * half],
  );
  return 2 * half < size ? b.concat([joined, b.slice(heads, [2 * half], [size], [3])], 3) : joined;
}

/** RotaryEmbedding on [B, S, heads * size] or [B, heads, S, size]. */
export function expandRotation(ctx: Emit, node: Node, { value, cos, sin, positions }: RotationInputs): Value {
  const { b, shape, shared } = ctx;
  const dims = shape(value);
  const half = shape(cos).at(-1)!;
  const interleaved = attrInt(node.attributes.get('interleaved'), 0) === 1;
  const byHead = dims.length === 4;
  const named = attrInt(node.attributes.get('num_heads'), 0);
  const count = byHead ? dims[1]! : named || dims[2]! / (2 * half);
  const [n, s] = [dims[0]!, byHead ? dims[2]! : dims[1]!];
  const size = byHead ? dims[3]! : dims[2]! / count;
  const heads = byHead ? value : b.transpose(b.reshape(value, [n, s, count, size]), [0, 2, 1, 3]);
  const rows = positions ? rowsOf(positions) : null;
  const table = (v: Value): Value => {
    if (!rows) return b.unsqueeze(v, [1]);
    const taken = b.op('Gather', [v, rows]);
    return shape(positions!).length > 1 ? b.unsqueeze(taken, [1]) : taken;
  };
  const turned = rotateHeads(ctx, heads, { cos: table(cos), sin: table(sin), half, interleaved }, [n, count, s, size]);
  return byHead ? turned : b.reshape(b.transpose(turned, [0, 2, 1, 3]), dims);

  /** Row of the tables for each token. */
  function rowsOf(given: Value): Value {
    if (shape(given).length > 1) return given;
    const counted = shared(`range ${s}`, () => i64(Array.from({ length: s }, (_, i) => i)));
    return b.add(counted, given);
  }
}
