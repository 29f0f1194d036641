/** A small vision transformer with random weights, as exporters write one: fixed numbers of tokens in its reshapes. */
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { int } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { seededRandom } from '../../src/main/engine/random.ts';

export interface TransformerOptions {
  readonly layers?: number;
  /** Side of the grid of patches. */
  readonly side?: number;
  readonly width?: number;
  readonly heads?: number;
  /** 'class': the class token gives the output; 'mean': the mean of all tokens; 'tokens': all of them are the output. */
  readonly output?: 'class' | 'mean' | 'tokens';
  /** Tables with one row per token in every layer, as relative positions have. */
  readonly tables?: boolean;
  /** Reduces 2x2 tokens to one behind the layers. */
  readonly shuffle?: boolean;
  /** Batch of the input; a name makes it dynamic. */
  readonly batch?: number | string;
}

/** Input `image` [B, 3, 4 side, 4 side]; output `logits` [B, 5], or `tokens` [B, N, width]. */
export function buildTransformer(o: TransformerOptions = {}): Model {
  const { layers = 3, side = 4, width = 8, heads = 2, output = 'class', batch = 1 } = o;
  const model = new Model();
  model.opsets.set('', 17);
  const b = new GraphBuilder(model.graph, 17);
  const random = seededRandom(11);
  const weight = (name: string, ...dims: number[]): Value => {
    const count = dims.reduce((x, y) => x * y, 1);
    const scale = 1.5 / Math.sqrt(dims[0]!);
    return b.tensor(
      f32(
        Float32Array.from({ length: count }, () => (random.next() - 0.5) * 2 * scale),
        dims,
      ),
      name,
    );
  };
  const linear = (name: string, x: Value, from: number, to: number): Value =>
    b.add(
      model.graph.emit('MatMul', [x, weight(`${name}.weight`, from, to)], { name })[0]!,
      weight(`${name}.bias`, to),
    );
  const norm = (name: string, x: Value): Value =>
    b.op('LayerNormalization', [x, weight(`${name}.scale`, width), weight(`${name}.shift`, width)], { axis: int(-1) });

  const size = 4 * side;
  const image = model.graph.addInput('image', { elemType: DType.FLOAT, shape: [batch, 3, size, size] });
  const patches = b.reshape(image, [-1, 3, side, 4, side, 4]);
  const rows = b.reshape(b.transpose(patches, [0, 2, 4, 1, 3, 5]), [-1, side * side, 48]);
  let x = linear('embed', rows, 48, width);
  let count = side * side;
  if (output === 'class') {
    const token = b.mul(b.reduceMean(x, [1], true), weight('class', 1, 1, width));
    x = b.concat([token, x], 1);
    count++;
  }
  x = b.add(x, weight('positions', 1, count, width));
  for (let i = 0; i < layers; i++) {
    const of = norm(`layer${i}.norm1`, x);
    const split = (name: string, perm: readonly number[]): Value =>
      b.transpose(b.reshape(linear(`layer${i}.${name}`, of, width, width), [-1, count, heads, width / heads]), perm);
    const scores = b.mul(b.matmul(split('q', [0, 2, 1, 3]), split('k', [0, 2, 3, 1])), b.scalar(0.7));
    const biased = o.tables ? b.add(scores, weight(`layer${i}.table`, heads, count, count)) : scores;
    const mixed = b.matmul(b.op('Softmax', [biased], { axis: int(-1) }), split('v', [0, 2, 1, 3]));
    const joined = b.reshape(b.transpose(mixed, [0, 2, 1, 3]), [-1, count, width]);
    x = b.add(x, linear(`layer${i}.out`, joined, width, width));
    const hidden = b.relu(linear(`layer${i}.up`, norm(`layer${i}.norm2`, x), width, 2 * width));
    x = b.add(x, linear(`layer${i}.down`, hidden, 2 * width, width));
  }
  if (o.shuffle) {
    const half = side / 2;
    const cells = b.reshape(x, [-1, half, 2, half, 2, width]);
    x = b.reshape(b.transpose(cells, [0, 1, 3, 2, 4, 5]), [-1, half * half, 4 * width]);
  }
  const last = (): Value => {
    if (output === 'tokens') return b.op('Identity', [x]);
    const pooled = output === 'mean' ? b.reduceMean(x, [1], false) : b.squeeze(b.slice(x, [0], [1], [1]), [1]);
    return linear('head', pooled, width, 5);
  };
  const y = last();
  y.name = output === 'tokens' ? 'tokens' : 'logits';
  y.type = { elemType: DType.FLOAT };
  model.graph.outputs.push(y);
  return model;
}
