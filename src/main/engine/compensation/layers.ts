/**
 * The least-squares problem of each linear operator, from the activations of the whole model: moments of its inputs at
 * all kernel positions and of its output. One pass over the samples serves any number of plans and criteria.
 */
import { GraphBuilder } from '../autodiff/builder.ts';
import { importDomains } from '../autodiff/walker.ts';
import type { Executor, HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import { matmulNT } from '../linalg.ts';
import { convGeometry } from '../ops/support/spatial.ts';
import { traitsOf } from '../ops/registry.ts';
import { extractSubgraph } from '../passes/extract.ts';
import { channelGram, im2colGram, thin } from '../statistics/grams.ts';
import type { ResidualBlock } from '../structures/axes/types.ts';
import type { Subject } from '../structures/contract.ts';
import { bypassesOf } from '../structures/find.ts';
import { addGram } from './least-squares.ts';
import { readWeights, regressionOf, sumOf, type Regression } from './regression.ts';
import { ENOUGH, positionsOf, thinning } from './rows.ts';

/** Maximum number of blocks after an operator that it can replace when they are dropped. */
const AHEAD = 4;
/** Wider regressions are too expensive for comparing plans. */
const MAX_COLUMNS = 1000;

export interface Layer {
  readonly regression: Regression;
  /** [rows, columns + 1], the bias last. */
  readonly weights: Float64Array;
  /** Moments of the inputs and a one, [columns + 1, columns + 1]. */
  readonly gram: Float64Array;
  /** Moments of the operator's own output with the inputs, [rows, columns + 1]. */
  readonly cross: Float64Array;
  /** Input channels. */
  readonly channels: number;
  /** The operator's own result: its output, or the residual sum that it enters. */
  readonly own: Value;
  /** Later sums, with the moments of (sum - own) with the inputs, [rows, columns + 1]. */
  readonly later: ReadonlyMap<Value, Float64Array>;
}

/** Keyed by operator of the model. Operators that are too wide, or have too few samples, are left out. */
export async function collectLayers(
  executor: Executor,
  p: Pick<Subject, 'model' | 'facts' | 'structures'>,
  batches: readonly Readonly<Record<string, HostTensor>>[],
  threads: number,
): Promise<ReadonlyMap<Node, Layer>> {
  const first = p.model.graph.inputs.find((v) => !v.isInitializer)?.name ?? '';
  const samples = batches.reduce((n, f) => n + (f[first]?.dims[0] ?? 1), 0);
  const blocks = bypassesOf(p.structures);
  const wanted = [...p.model.graph.nodes()].flatMap((node) => {
    const regression = regressionOf(node);
    const x = node.input(0)!;
    if (
      typeof regression === 'string' ||
      regression.groups > 1 ||
      regression.axis !== 1 ||
      regression.columns > MAX_COLUMNS ||
      !p.facts.has(x)
    )
      return [];
    // Fewer rows would overfit.
    if (samples * positionsOf(p.facts.get(node.output())!.shape) < ENOUGH * regression.columns) return [];
    const own = sumOf(node.output());
    return [{ regression, x, own, later: chainOf(own, blocks) }];
  });
  if (wanted.length === 0 || batches.length === 0) return new Map();
  const inputs = p.model.graph.inputs.filter((v) => !v.isInitializer);
  const values = [...new Set(wanted.flatMap((w) => [w.x, w.own, ...w.later]))].filter((v) => !inputs.includes(v));
  const part = extractSubgraph(p.model, inputs, values);
  const copies = new Map([
    ...values.map((v, i) => [v, part.graph.outputs[i]!] as const),
    ...inputs.map((v, i) => [v, part.graph.inputs[i]!] as const),
  ]);
  part.graph.outputs.length = 0;
  const b = new GraphBuilder(part.graph, part.opset);
  const give = (v: Value, name: string): void => {
    const out = b.op('Identity', [v]);
    out.name = b.graph.freshName(name);
    out.type = { elemType: DType.FLOAT };
    part.graph.outputs.push(out);
  };
  for (const { regression, x, own, later } of wanted) {
    const { node } = regression;
    const shape = p.facts.get(x)!.shape;
    const outShape = [...(p.facts.get(own)?.shape ?? [])];
    const outDims = p.facts.get(node.output())!.shape;
    const every = regression.linear.slides ? thinning(outDims) : 1;
    const deltas = later.map((v) => b.sub(copies.get(v)!, copies.get(own)!));
    const all = deltas.length > 1 ? b.concat(deltas, 1) : deltas[0];
    outShape[1] = regression.rows * deltas.length;
    const target = all && { target: { value: thin(b, all, outDims, outDims.length - 2, every), shape: outShape } };
    const moments = regression.linear.slides
      ? im2colGram(b, copies.get(x)!, shape, convGeometry(node, shape, node.input(1)!.initializer!.dims), {
          every,
          ...target,
        })
      : channelGram(b, copies.get(x)!, shape, 1, target?.target);
    give(moments.gram, 'gram');
    give(moments.sum, 'sum');
    if (deltas.length) {
      give(moments.cross!, 'cross');
      give(moments.targetSum!, 'target_sum');
    }
  }
  for (let i = part.graph.inputs.length - 1; i >= 0; i--)
    if (!part.graph.inputs[i]!.isUsed) part.graph.inputs.splice(i, 1);
  importDomains(part);
  const names = part.graph.outputs.map((v) => v.name);
  const sums = names.map(() => null as Float64Array | null);
  const session = await executor.open(part, { threads });
  try {
    for (const feeds of batches) {
      const out = await session.run(Object.fromEntries(session.inputNames.map((n) => [n, feeds[n]!])));
      names.forEach((name, i) => {
        const data = out[name]!.data as Float32Array;
        const into = (sums[i] ??= new Float64Array(data.length));
        for (let k = 0; k < data.length; k++) into[k]! += data[k]!;
      });
    }
  } finally {
    await session.release();
  }
  let at = 0;
  const layers = new Map<Node, Layer>();
  for (const { regression, x, own, later } of wanted) {
    const positions = positionsOf(p.facts.get(regression.node.output())!.shape);
    const [gram, sum] = [sums[at++]!, sums[at++]!];
    const [cross, targetSum] = later.length ? [sums[at++]!, sums[at++]!] : [null, null];
    const [k, m] = [regression.columns, regression.rows];
    const weights = readWeights(regression);
    const bordered = new Float64Array((k + 1) ** 2);
    addGram(bordered, gram, sum, samples * positions, k);
    layers.set(regression.node, {
      regression,
      weights,
      gram: bordered,
      // The Gram is symmetric.
      cross: matmulNT(weights, bordered, m, k + 1, k + 1),
      channels: p.facts.get(x)!.shape[1]!,
      own,
      later: new Map(
        later.map((v, j) => {
          const c = new Float64Array(m * (k + 1));
          for (let r = 0; r < m; r++) {
            const from = j * m + r;
            for (let a = 0; a < k; a++) c[r * (k + 1) + a] = cross![from * k + a]!;
            c[r * (k + 1) + k] = targetSum![from]!;
          }
          return [v, c];
        }),
      ),
    });
  }
  return layers;
}

/** Sums of the blocks that follow a value along the shortcut, nearest first. */
function chainOf(from: Value, blocks: readonly ResidualBlock[]): Value[] {
  const out: Value[] = [];
  for (let v = from; out.length < AHEAD; v = out.at(-1)!) {
    const activated = v
      .consumers()
      .filter((n) => traitsOf(n).idempotent && n.graph === v.graph)
      .map((n) => n.output());
    const block = blocks.find((b) => b.shortcut === v || activated.includes(b.shortcut));
    if (!block) break;
    out.push(block.add.output());
  }
  return out;
}
