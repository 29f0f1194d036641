/**
 * Residual networks of any depth for pruning tests: a stem, `blocks` pairs of convolutions, a
 * classifier.
 */
import { ints } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import type { Node } from '../../src/main/engine/ir/node.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { LatencyModel, type UnitTable } from '../../src/main/engine/latency/predict.ts';
import type { Group } from '../../src/main/engine/structures/axes/types.ts';
import { seededRandom } from '../../src/main/engine/random.ts';

export interface ChainOptions {
  readonly blocks?: number;
  readonly width?: number;
  /** Ends in Flatten and Gemm without pooling. */
  readonly flat?: boolean;
  readonly seed?: number;
}

/** x [N, 3, 8, 8] -> y [N, 4]. Convolutions are named stem, a0, b0, a1, b1, ...; the classifier fc. */
export function residualChain({ blocks = 2, width = 8, flat = false, seed = 3 }: ChainOptions = {}): Model {
  const model = new Model();
  model.opsets.set('', 17);
  const { graph } = model;
  const b = new GraphBuilder(graph, 17);
  const random = seededRandom(seed);
  const weights = (name: string, dims: number[], scale: number): Value =>
    graph.addInitializer(
      name,
      f32(
        Float32Array.from({ length: dims.reduce((x, y) => x * y, 1) }, () => random.normal() * scale),
        dims,
      ),
    );
  const conv = (from: Value, name: string, inputs: number, scale = 1): Value =>
    graph.emit(
      'Conv',
      [
        from,
        weights(`${name}.weight`, [width, inputs, 3, 3], scale * Math.sqrt(2 / (9 * inputs))),
        weights(`${name}.bias`, [width], 0.1),
      ],
      { name, attributes: [['pads', ints([1, 1, 1, 1])]] },
    )[0]!;
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', 3, 8, 8] });
  let value = b.relu(conv(x, 'stem', 3));
  for (let i = 0; i < blocks; i++) {
    const branch = conv(b.relu(conv(value, `a${i}`, width)), `b${i}`, width, 0.5);
    value = b.relu(b.add(branch, value));
  }
  const features = flat ? width * 64 : width;
  const flattened = b.op('Flatten', [flat ? value : b.op('GlobalAveragePool', [value])]);
  const y = graph.emit(
    'Gemm',
    [flattened, weights('fc.weight', [features, 4], Math.sqrt(1 / features)), weights('fc.bias', [4], 0.1)],
    { name: 'fc', outputName: 'y' },
  )[0]!;
  y.type = { elemType: DType.FLOAT, shape: ['N', 4] };
  graph.outputs.push(y);
  return model;
}

/**
 * A latency model by formula: every convolution and the classifier is a unit that takes `ms` times
 * the kept share of its widths; everything else is free.
 */
export function formulaLatency(
  model: Model,
  groups: readonly Group[],
  counts: ReadonlyMap<string, readonly number[]>,
  ms: (n: Node) => number,
): LatencyModel {
  const tables = [...model.graph.nodes()]
    .filter((n) => n.opType === 'Conv' || n.opType === 'Gemm')
    .map((n): UnitTable => {
      const touching = groups.filter((g) => counts.has(g.id) && g.members.some((m) => m.nodes.includes(n) && m.value === n.input(1))); // prettier-ignore
      const grid = touching.map((g) => ({ group: g.id, counts: counts.get(g.id)! }));
      let rows = [ms(n)];
      for (const [i, g] of grid.entries())
        rows = rows.flatMap((t) => g.counts.map((c) => (t * c) / touching[i]!.units));
      return {
        unit: {
          name: n.label,
          opType: n.opType,
          nodes: [n],
          groups: grid.map((g) => g.group),
          profiledMs: ms(n),
        },
        grid,
        ms: rows,
      };
    });
  return new LatencyModel({ tables, otherMs: 0, baselineMs: tables.reduce((s, t) => s + t.unit.profiledMs, 0) });
}
