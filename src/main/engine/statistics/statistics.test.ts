import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { GraphBuilder } from '../autodiff/builder.ts';
import { importDomains } from '../autodiff/walker.ts';
import { DType, elementCount } from '../ir/dtype.ts';
import { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { HostTensor } from '../executor.ts';
import { seededRandom } from '../random.ts';
import { channelGram, im2colGram, im2colMeans, thin, type Gram } from './grams.ts';
import { buildStatisticsModel, covariance, StatisticsAccumulator } from './statistics.ts';

const random = seededRandom(3);
const host = (dims: readonly number[]): HostTensor => ({
  dtype: DType.FLOAT,
  dims,
  data: Float32Array.from({ length: elementCount(dims) }, () => random.normal() + 0.3),
});
const emptyModel = (): Model => {
  const m = new Model();
  m.opsets.set('', 17);
  return m;
};
const input = (m: Model, name: string, shape: readonly number[]): Value =>
  m.graph.addInput(name, { elemType: DType.FLOAT, shape: [...shape] });

/** Rows of samples, one column per channel. */
function rowsOf(t: HostTensor, axis: number): number[][] {
  const inner = elementCount(t.dims.slice(axis + 1)),
    c = t.dims[axis]!,
    rows: number[][] = [];
  t.data.forEach((x, i) => {
    const row = Math.floor(i / (inner * c)) * inner + (i % inner);
    (rows[row] ??= [])[Math.floor(i / inner) % c] = Number(x);
  });
  return rows;
}
const gramOf = (x: number[][], y = x): number[] =>
  y[0]!.flatMap((_, i) => x[0]!.map((_, j) => x.reduce((s, row, r) => s + y[r]![i]! * row[j]!, 0)));
function close(got: ArrayLike<number | bigint>, want: ArrayLike<number>, tolerance = 1e-4): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++)
    expect(Math.abs(Number(got[i]) - want[i]!)).toBeLessThan(tolerance * (1 + Math.abs(want[i]!)));
}

describe('statistics of activations', () => {
  it('combines batches of any size, for channels first and channels last', async () => {
    const m = emptyModel();
    const x = input(m, 'x', [2, 3, 4, 5]);
    input(m, 'unused', [1]);
    const b = new GraphBuilder(m.graph, 17);
    const y = b.mul(x, b.tensor(f32([1, -2, 3], [3, 1, 1])));
    const last = b.transpose(y, [0, 2, 3, 1]);
    m.graph.outputs.push(b.relu(last));
    const all = ['abs', 'gram'] as const;
    const built = buildStatisticsModel(m, [
      { value: y, axis: 1, shape: [2, 3, 4, 5], kinds: all },
      { value: last, axis: 3, shape: [2, 4, 5, 3], kinds: all },
      { value: y, axis: 1, shape: [2, 3, 4, 5], kinds: ['moments'] },
      { value: x, axis: 1, shape: [2, 3, 4, 5], kinds: ['moments'] },
      { value: last, axis: 2, shape: [2, 4, 5, 3], kinds: ['gram'] },
    ]);
    expect(built.model.graph.inputs.map((v) => v.name)).toEqual(['x']);
    built.model.graph.inputs[0]!.type = { elemType: DType.FLOAT, shape: ['n', 3, 4, 5] };
    const session = await plainExecutor.open(built.model);
    const sums = new StatisticsAccumulator(built);
    const seen: number[][] = [];
    for (const n of [2, 5]) {
      const batch = host([n, 3, 4, 5]);
      sums.add(await session.run({ x: batch }));
      seen.push(...rowsOf(batch, 1).map((r) => [r[0]!, -2 * r[1]!, 3 * r[2]!]));
    }
    await session.release();
    const n = seen.length,
      mean = [0, 1, 2].map((c) => seen.reduce((s, r) => s + r[c]! / n, 0));
    const variance = [0, 1, 2].map((c) => seen.reduce((s, r) => s + (r[c]! - mean[c]!) ** 2 / n, 0));
    const centred = gramOf(seen.map((r) => r.map((v, c) => v - mean[c]!))).map((v) => v / n);
    for (const i of [0, 1, 2]) {
      const s = sums.result(i);
      expect(s.count).toBe(n);
      close(s.mean, mean);
      close(s.variance, variance);
      close(
        s.meanSquare,
        variance.map((v, c) => v + mean[c]! ** 2),
      );
      if (i === 2) continue;
      close(
        s.meanAbs!,
        [0, 1, 2].map((c) => seen.reduce((t, r) => t + Math.abs(r[c]!) / n, 0)),
      );
      close(covariance(s), centred);
    }
    close(sums.result(3).mean, [mean[0]!, mean[1]! / -2, mean[2]! / 3]);
    expect(sums.result(4).gram!.length).toBe(25);
    expect(() => covariance(sums.result(2))).toThrow();
  });
});

describe('Gram matrices', () => {
  async function run(shape: readonly number[], targetShape: readonly number[], emit: Emit) {
    const m = emptyModel();
    const x = input(m, 'x', shape),
      y = input(m, 'y', targetShape);
    const b = new GraphBuilder(m.graph, 17);
    const g = emit(b, x, { value: y, shape: targetShape });
    const outs = [g.gram, g.cross!, g.sum, g.targetSum!];
    for (const o of outs) {
      o.type = { elemType: DType.FLOAT };
      m.graph.outputs.push(o);
    }
    importDomains(m);
    const session = await plainExecutor.open(m);
    const feeds = { x: host(shape), y: host(targetShape) };
    const got = await session.run(feeds);
    await session.release();
    return { ...feeds, got: outs.map((o) => got[o.name]!.data) };
  }
  type Emit = (b: GraphBuilder, x: Value, y: { value: Value; shape: readonly number[] }) => Gram;

  it.each([
    [[4, 6], [4, 3], 1],
    [[2, 5, 6], [2, 5, 3], 2],
    [[2, 3, 5, 4], [2, 2, 5, 4], 1],
    [[9, 7, 2], [9, 4, 2], 1],
    [[2, 3, 5, 4], [2, 3, 6, 4], 2],
  ] as const)('of %j with target %j over axis %i', async (shape, targetShape, axis) => {
    const { x, y, got } = await run(shape, targetShape, (b, v, t) => channelGram(b, v, shape, axis, t));
    const rx = rowsOf(x, axis),
      ry = rowsOf(y, axis);
    close(got[0]!, gramOf(rx));
    close(got[1]!, gramOf(rx, ry));
    close(
      got[2]!,
      rx[0]!.map((_, c) => rx.reduce((s, r) => s + r[c]!, 0)),
    );
    close(
      got[3]!,
      ry[0]!.map((_, c) => ry.reduce((s, r) => s + r[c]!, 0)),
    );
  });

  const geometry = { kernel: [3, 2], strides: [2, 1], dilations: [1, 2], begin: [1, 0], end: [0, 2], out: [3, 6] };

  // The im2col matrix by definition; column = channel * taps + tap.
  function columnsOf(t: HostTensor, every = 1): number[][] {
    const [n, c, h, w] = t.dims as [number, number, number, number];
    const at = (s: number, k: number, i: number, j: number): number =>
      i < 0 || j < 0 || i >= h || j >= w ? 0 : Number(t.data[((s * c + k) * h + i) * w + j]);
    const rows: number[][] = [];
    for (let s = 0; s < n; s++)
      for (let i = 0; i < 3; i += every)
        for (let j = 0; j < 6; j += every) {
          const row: number[] = [];
          for (let k = 0; k < c; k++)
            for (let p = 0; p < 3; p++) for (let q = 0; q < 2; q++) row.push(at(s, k, i * 2 + p - 1, j + 2 * q));
          rows.push(row);
        }
    return rows;
  }
  const outRows = (t: HostTensor, every = 1): number[][] =>
    rowsOf(t, 1).filter((_, r) => Math.floor((r % 18) / 6) % every === 0 && (r % 6) % every === 0);

  it.each([
    [2, 1],
    [30, 1],
    [2, 2],
  ])('of im2col columns, %i samples, every %i', async (n, every) => {
    const { x, y, got } = await run([n, 2, 6, 6], [n, 4, 3, 6], (b, v, target) =>
      im2colGram(b, v, [n, 2, 6, 6], geometry, {
        target: { ...target, value: thin(b, target.value, target.shape, 2, every) },
        every,
      }),
    );
    const cols = columnsOf(x, every);
    close(got[0]!, gramOf(cols));
    close(got[1]!, gramOf(cols, outRows(y, every)));
    close(
      got[2]!,
      cols[0]!.map((_, c) => cols.reduce((s, r) => s + r[c]!, 0)),
    );
  });

  it('and the means of their columns', async () => {
    const m = emptyModel();
    const shape = [3, 2, 6, 6];
    const x = input(m, 'x', shape);
    const b = new GraphBuilder(m.graph, 17);
    const means = im2colMeans(b, x, shape, geometry);
    means.type = { elemType: DType.FLOAT };
    m.graph.outputs.push(means);
    const session = await plainExecutor.open(m);
    const feed = host(shape);
    const got = (await session.run({ x: feed }))[means.name]!.data;
    await session.release();
    const cols = columnsOf(feed);
    close(
      got,
      cols[0]!.map((_, c) => cols.reduce((s, r) => s + r[c]!, 0) / cols.length),
    );
  });

  it('of im2col columns per group', async () => {
    const { x, y, got } = await run([2, 4, 6, 6], [2, 6, 3, 6], (b, v, target) =>
      im2colGram(b, v, [2, 4, 6, 6], geometry, { target, groups: 2 }),
    );
    const cols = columnsOf(x),
      out = outRows(y);
    const half = (rows: number[][], g: number): number[][] =>
      rows.map((r) => r.slice((g * r.length) / 2, ((g + 1) * r.length) / 2));
    close(
      got[0]!,
      [0, 1].flatMap((g) => gramOf(half(cols, g))),
    );
    close(
      got[1]!,
      [0, 1].flatMap((g) => gramOf(half(cols, g), half(out, g))),
    );
  });

  it('of a 1x1 convolution with stride, and of long rows joined', async () => {
    const g = { kernel: [1, 1], strides: [2, 2], dilations: [1, 1], begin: [0, 0], end: [0, 0], out: [2, 2] };
    const { x, got } = await run([3, 8, 4, 4], [3, 2, 2, 2], (b, v, target) =>
      im2colGram(b, v, [3, 8, 4, 4], g, { target }),
    );
    const rows = rowsOf(x, 1).filter((_, r) => Math.floor((r % 16) / 4) % 2 === 0 && r % 2 === 0);
    close(got[0]!, gramOf(rows));
  });
});
