/** Compares the emitted Muon step, run by the runtime, with the same arithmetic in float64. */
import { describe, expect, it } from 'vitest';
import { buildTrainStep, matricesOf, Trainer } from '../../src/main/engine/autodiff/index.ts';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { meanSquaredError } from '../support/losses.ts';
import { int, ints } from '../../src/main/engine/ir/attribute.ts';
import { DType, elementCount } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { f32, toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import { emitUpdate } from '../../src/main/engine/autodiff/optimizers.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { random } from '../support/example-model.ts';
import { plainExecutor } from '../support/executor.ts';

const rand = random(11);
const uniform = (n: number): Float32Array => Float32Array.from({ length: n }, () => rand() * 2 - 1);

type Matrix = number[][];
const times = (a: Matrix, b: Matrix): Matrix => a.map((row) => b[0]!.map((_, j) => row.reduce((n, x, k) => n + x * b[k]![j]!, 0))); // prettier-ignore
const turned = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));
const sum = (...terms: [number, Matrix][]): Matrix => terms[0]![1].map((row, i) => row.map((_, j) => terms.reduce((n, [f, m]) => n + f * m[i]![j]!, 0))); // prettier-ignore

/** Newton-Schulz iteration as published, in float64. */
function orthogonal(g: Matrix): Matrix {
  if (g.length > g[0]!.length) return turned(orthogonal(turned(g)));
  let x = sum([1 / (Math.hypot(...g.flat()) + 1e-12), g]);
  for (let i = 0; i < 5; i++) {
    const a = times(x, turned(x));
    x = sum([3.4445, x], [1, times(sum([-4.775, a], [2.0315, times(a, a)]), x)]);
  }
  return x;
}

describe('Muon', () => {
  it.each([
    [3, 7],
    [6, 4],
  ])('steps a matrix of %i x %i by its formula, and AdamW the rest', async (rows, cols) => {
    const size = rows * cols + 5;
    const model = new Model();
    model.opsets.set('', 17);
    const b = new GraphBuilder(model.graph, 17);
    const input = (name: string, shape: number[]) => model.graph.addInput(name, { elemType: DType.FLOAT, shape });
    const [param, grad, m0, v0] = ['param', 'grad', 'm0', 'v0'].map((n) => input(n, [size]));
    const out = emitUpdate(
      b,
      { kind: 'muon', weightDecay: 0.1 },
      {
        param: param!,
        grad: grad!,
        state: [m0!, v0!],
        lr: input('lr', []),
        step: input('step', []),
        pieces: [
          { size: rows * cols, matrix: [rows, cols] },
          { size: 5, matrix: null },
        ],
      },
    );
    for (const v of [out.param, ...out.state]) {
      v.type = { elemType: DType.FLOAT, shape: [size] };
      model.graph.outputs.push(v);
    }
    const session = await plainExecutor.open(model);
    const host = (data: Float32Array, dims: number[]) => ({ dtype: DType.FLOAT, dims, data });
    let state = [uniform(size), new Float32Array(size), new Float32Array(size)];
    const [p, m, v] = state.map((s) => Float64Array.from(s));
    for (let t = 1; t <= 4; t++) {
      const [g, lr] = [uniform(size), 0.2 / t];
      const got = await session.run({
        param: host(state[0]!, [size]),
        grad: host(g, [size]),
        m0: host(state[1]!, [size]),
        v0: host(state[2]!, [size]),
        lr: host(Float32Array.of(lr), []),
        step: host(Float32Array.of(t), []),
      });
      state = model.graph.outputs.map((o) => got[o.name]!.data as Float32Array);
      for (let i = 0; i < size; i++) {
        m![i] = 0.9 * m![i]! + 0.1 * g[i]!;
        v![i] = 0.999 * v![i]! + 0.001 * g[i]! ** 2;
        p![i]! *= 1 - 0.1 * lr;
      }
      const ahead = Array.from({ length: rows }, (_, r) => Array.from({ length: cols }, (_, c) => 0.9 * m![r * cols + c]! + 0.1 * g[r * cols + c]!)); // prettier-ignore
      const x = orthogonal(ahead);
      // Rows (or columns) have nearly unit length, whatever the scale of the gradient.
      const small = rows > cols ? times(turned(x), x) : times(x, turned(x));
      small.forEach((row, i) => expect(row[i]).toBeGreaterThan(0.2));
      small.forEach((row, i) => expect(row[i]).toBeLessThan(1.6));
      x.flat().forEach((step, i) => (p![i]! -= lr * 0.2 * Math.sqrt(Math.max(rows, cols)) * step));
      for (let i = rows * cols; i < size; i++)
        p![i]! -= (lr * m![i]!) / (1 - 0.9 ** t) / (Math.sqrt(v![i]! / (1 - 0.999 ** t)) + 1e-8);
      state[0]!.forEach((w, i) => expect(w).toBeCloseTo(p![i]!, 4));
    }
    await session.release();
  });

  it('takes dense weights inside the network for matrices, as far as their share of the work goes', async () => {
    const model = new Model();
    model.opsets.set('', 17);
    const b = new GraphBuilder(model.graph, 17);
    const w = (name: string, dims: number[]) =>
      model.graph.addInitializer(name, f32(uniform(elementCount(dims)), dims));
    const x = model.graph.addInput('x', { elemType: DType.FLOAT, shape: ['batch', 3, 8, 8] });
    const pads = ints([1, 1, 1, 1]);
    const dense = b.op('Conv', [x, w('dense', [6, 3, 3, 3]), w('bias', [6])], { pads });
    const depthwise = b.op('Conv', [b.relu(dense), w('depthwise', [6, 1, 3, 3])], { pads, group: int(6) });
    const rows = b.reshape(b.op('GlobalAveragePool', [depthwise]), [-1, 6]);
    const hidden = b.relu(b.matmul(rows, w('hidden', [6, 40])));
    const y = b.op('Gemm', [hidden, w('head', [40, 2])]);
    y.type = { elemType: DType.FLOAT };
    model.graph.outputs.push(y);
    const facts = await collectFacts(model, plainExecutor, { batch: 8 });
    const params = [...model.graph.initializers].filter((v) => v.initializer!.dtype === DType.FLOAT);
    const chosen = (share?: number) => [...matricesOf(model, params, (v) => facts.get(v), share)].map(([p, shape]) => [p.name, shape]); // prettier-ignore
    expect(chosen(100)).toEqual([
      ['dense', [6, 27]],
      ['hidden', [6, 40]],
    ]);
    // After the pooling there is one position per sample: orthogonalizing costs more than the layer
    // itself, and a tenth of all work is only enough for the convolution.
    expect(chosen(0.1)).toEqual([['dense', [6, 27]]]);
    expect(chosen(0)).toEqual([]);

    const step = buildTrainStep(model, {
      facts: (v) => facts.get(v),
      params,
      optimizer: { kind: 'muon', weightDecay: 0 },
      relativeTo: { floor: 0.01 },
      loss: (l) => meanSquaredError(l.b, l.outputs[0]!, l.input('target', DType.FLOAT, [8, 2]), [8, 2]),
    });
    const trainer = await Trainer.open(plainExecutor, step);
    const feeds = {
      x: { dtype: DType.FLOAT, dims: [8, 3, 8, 8], data: uniform(8 * 192) },
      target: { dtype: DType.FLOAT, dims: [8, 2], data: uniform(16) },
    };
    const losses: number[] = [];
    for (let i = 0; i < 60; i++) losses.push((await trainer.step(feeds, 0.03)).loss);
    expect(losses.at(-1)!).toBeLessThan(0.3 * losses[0]!);
    expect(toFloat32(params[0]!.initializer!)).not.toEqual(trainer.parameters().get(params[0]!.name));
    await trainer.release();
  });
});
