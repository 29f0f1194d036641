/**
 * Compensation that an allocator can afford for every plan it tries: each linear operator refitted by least squares from
 * the activations of the whole model, which are looked at once. Removing inputs K leaves W G[:,K] G[K,K]^-1 (OBC, Frantar
 * and Alistarh 2022); a dropped block behind the operator adds the cross moments of what it added. Plans judged without
 * it look worse than they will be, and narrow layers, which compensation restores best, look worst of all. What comes
 * after the plan is chosen, `compensate`, also sees how the inputs themselves have changed.
 */
import { GraphBuilder } from '../../autodiff/builder.ts';
import { importDomains } from '../../autodiff/walker.ts';
import type { Executor, HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { choleskySolveT, matmulNT, submatrix } from '../../linalg.ts';
import { convGeometry } from '../../ops/support/spatial.ts';
import { extractSubgraph } from '../../passes/extract.ts';
import { channelGram, im2colGram, thin } from '../grams.ts';
import type { Surgery } from '../surgery.ts';
import type { ResidualBlock } from '../types.ts';
import { addGram, factorize } from './least-squares.ts';
import { readWeights, regressionOf, sumOf, writeWeights, type Regression } from './regression.ts';
import { ENOUGH, positionsOf, thinning } from './rows.ts';
import { Targets } from './targets.ts';

/** Blocks behind an operator that it can stand in for when they go. */
const AHEAD = 4;
/** Wider regressions cost more than they are worth while plans are only compared. */
const MAX_COLUMNS = 1000;
const RIDGE = 1e-3;

interface Layer {
  readonly regression: Regression;
  /** [rows, columns + 1], the bias last. */
  readonly weights: Float64Array;
  /** Moments of the inputs and a one, [columns + 1, columns + 1]. */
  readonly gram: Float64Array;
  /** Moments of the operator's own output with the inputs, [rows, columns + 1]. */
  readonly cross: Float64Array;
  /** Input channels. */
  readonly channels: number;
  /** What the operator makes by itself: its output or the residual sum that it enters. */
  readonly own: Value;
  /** Later sums, and the moments of (sum - own) with the inputs, [rows, columns + 1]. */
  readonly later: ReadonlyMap<Value, Float64Array>;
}

export class LocalFits {
  readonly #layers: ReadonlyMap<Node, Layer>;
  readonly #solved = new Map<string, Float64Array | null>();
  readonly #ids = new Map<unknown, number>();

  private constructor(layers: ReadonlyMap<Node, Layer>) {
    this.#layers = layers;
  }

  /** One pass of the whole model over the batches. */
  static async collect(
    executor: Executor,
    p: { readonly model: Model; readonly facts: Facts; readonly blocks: readonly ResidualBlock[] },
    batches: readonly Readonly<Record<string, HostTensor>>[],
    threads: number,
  ): Promise<LocalFits> {
    const samples = batches.reduce((n, f) => n + (Object.values(f)[0]?.dims[0] ?? 1), 0);
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
      // Fewer rows would be learned by heart.
      if (samples * positionsOf(p.facts.get(node.output())!.shape) < ENOUGH * regression.columns) return [];
      const own = sumOf(node.output());
      return [{ regression, x, own, later: chainOf(own, p.blocks) }];
    });
    if (wanted.length === 0 || batches.length === 0) return new LocalFits(new Map());
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
      const every = node.key === 'Conv' ? thinning(outDims) : 1;
      const deltas = later.map((v) => b.sub(copies.get(v)!, copies.get(own)!));
      const all = deltas.length > 1 ? b.concat(deltas, 1) : deltas[0];
      outShape[1] = regression.rows * deltas.length;
      const target = all && { target: { value: thin(b, all, outDims, outDims.length - 2, every), shape: outShape } };
      const moments =
        node.key === 'Conv'
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
    return new LocalFits(layers);
  }

  /** Changes the weights of `surgery.model` in place. @returns operators that were refitted */
  apply(surgery: Surgery, dropped: readonly ResidualBlock[]): number {
    const targets = new Targets(surgery, dropped);
    let count = 0;
    for (const node of surgery.model.graph.nodes()) {
      const out = node.outputs.length ? targets.original(node.output()) : undefined;
      const layer = out?.producer && this.#layers.get(out.producer);
      if (!layer || !out) continue;
      const kept = surgery.kept(layer.regression.node.input(0)!, 1);
      const target = targets.readout(node.output(), () => 1)?.target;
      const later = target && target !== layer.own ? target : null;
      if (!kept && !(later && layer.later.has(later))) continue;
      const solved = this.#solve(layer, kept, later);
      const r = regressionOf(node);
      if (!solved || typeof r === 'string') continue;
      const rows = surgery.kept(out, 1);
      const width = r.columns + 1;
      if (solved.length !== layer.regression.rows * width) continue;
      const chosen = rows ? new Float64Array(rows.length * width) : solved;
      rows?.forEach((row, i) => chosen.set(solved.subarray(row * width, (row + 1) * width), i * width));
      if (chosen.length !== r.rows * width) continue;
      writeWeights(r, chosen);
      count++;
    }
    return count;
  }

  /** All rows of the refitted weights, for the kept channels. */
  #solve(layer: Layer, kept: readonly number[] | null, later: Value | null): Float64Array | null {
    const key = `${this.#id(layer)}:${later ? this.#id(later) : ''}:${kept?.join() ?? ''}`;
    let w = this.#solved.get(key);
    if (w === undefined) this.#solved.set(key, (w = solve(layer, kept, later)));
    return w;
  }

  #id(x: unknown): number {
    let id = this.#ids.get(x);
    if (id === undefined) this.#ids.set(x, (id = this.#ids.size));
    return id;
  }
}

function solve(layer: Layer, kept: readonly number[] | null, later: Value | null): Float64Array | null {
  const { columns, rows } = layer.regression;
  const n = columns + 1;
  const taps = columns / layer.channels;
  const stay: number[] = [];
  for (let c = 0, i = 0; c < layer.channels; c++) {
    if (kept && kept[i] !== c) continue;
    i++;
    for (let t = 0; t < taps; t++) stay.push(c * taps + t);
  }
  stay.push(columns);
  const k = stay.length;
  const normal = factorize(submatrix(layer.gram, n, stay, stay), k, RIDGE);
  if (!normal) return null;
  // Right-hand sides W G[:,K], plus what a dropped block added, plus the pull towards the weights that are there.
  const more = later && layer.later.get(later);
  const right = new Float64Array(rows * k);
  for (let m = 0; m < rows; m++)
    for (let a = 0; a < k; a++) {
      const from = m * n + stay[a]!;
      const pulled = a < k - 1 ? normal.pull * layer.weights[from]! : 0;
      right[m * k + a] = layer.cross[from]! + (more ? more[from]! : 0) + pulled;
    }
  return choleskySolveT(normal.factor, right, k, rows);
}

/** Sums of the blocks that follow a value along the shortcut, nearest first. */
function chainOf(from: Value, blocks: readonly ResidualBlock[]): Value[] {
  const out: Value[] = [];
  for (let v = from; out.length < AHEAD; v = out.at(-1)!) {
    const activated = v
      .consumers()
      .filter((n) => n.key === 'Relu')
      .map((n) => n.output());
    const block = blocks.find((b) => b.shortcut === v || activated.includes(b.shortcut));
    if (!block) break;
    out.push(block.add.output());
  }
  return out;
}
