import { describe, expect, it } from 'vitest';
import { ints } from '../ir/attribute.ts';
import { Model } from '../ir/model.ts';
import { f32 } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { matmul, solveRidge, submatrix, transpose } from '../linalg.ts';
import { seededRandom } from '../random.ts';
import type { ChannelStatistics } from '../statistics/statistics.ts';
import type { Group, GroupMember } from '../structures/axes/types.ts';
import type { Criterion, CriterionContext } from './contract.ts';
import { allCriteria, criterionFor } from './registry.ts';
import { activationsOf, sinkLinks } from './support/sinks.ts';

const each = (n: number): number[][] => Array.from({ length: n }, (_, i) => [i]);

/**
 * x [s,2] MatMul W1 [2,3] -> h -> Relu -> a [s,3] MatMul W2 [3,2]; the three columns of W1 are the units.
 * With `conv`: the same weights as 1x1 convolutions with a batch normalisation between.
 */
function network(w1: readonly number[], w2: readonly number[], options: { gamma?: readonly number[] } = {}) {
  const m = new Model(),
    g = m.graph,
    n = w1.length / 2,
    outputs = w2.length / n;
  const x = g.addInput('x', null);
  const norm = options.gamma;
  const W1 = g.addInitializer('w1', norm ? f32(w1, [n, 2, 1, 1]) : f32(w1, [2, n]));
  const W2 = g.addInitializer('w2', norm ? f32(w2, [outputs, n, 1, 1]) : f32(w2, [n, outputs]));
  const op = norm ? 'Conv' : 'MatMul';
  let [h] = g.emit(op, [x, W1]) as [Value];
  const through: Value[] = [h];
  const vectors: GroupMember[] = [];
  if (norm) {
    const p = ['scale', 'shift', 'mean', 'var'].map((k, i) =>
      g.addInitializer(
        k,
        f32(
          norm.map((v) => (i ? 0.5 : v)),
          [n],
        ),
      ),
    );
    [h] = g.emit('BatchNormalization', [h, ...p]) as [Value];
    through.push(h);
    for (const value of p) vectors.push({ value, axis: 0, indices: each(n), role: 'through', nodes: [] });
  }
  const [a] = g.emit('Relu', [h]) as [Value];
  through.push(a);
  g.outputs.push(...g.emit(op, [a, W2]));
  const member = (value: Value, axis: number, role: GroupMember['role']): GroupMember => ({
    value,
    axis,
    indices: each(n),
    role,
    nodes: [],
  });
  const group: Group = {
    id: 'first',
    units: n,
    multiple: 1,
    members: [
      member(W1, norm ? 0 : 1, 'source'),
      member(W2, norm ? 1 : 0, 'sink'),
      ...through.map((v) => member(v, 1, 'through')),
      ...vectors,
    ],
  };
  return { group, W1, W2, a, through };
}

/** Statistics of rows of samples. */
function statistics(rows: readonly (readonly number[])[], gram = true): ChannelStatistics {
  const n = rows.length,
    c = rows[0]!.length;
  const mean = (f: (r: readonly number[]) => number): number => rows.reduce((s, r) => s + f(r) / n, 0);
  const each = (f: (j: number) => number): Float64Array => Float64Array.from({ length: c }, (_, j) => f(j));
  const mu = each((j) => mean((r) => r[j]!));
  return {
    count: n,
    mean: mu,
    meanSquare: each((j) => mean((r) => r[j]! ** 2)),
    variance: each((j) => mean((r) => (r[j]! - mu[j]!) ** 2)),
    ...(gram && {
      gram: Float64Array.from({ length: c * c }, (_, i) => mean((r) => r[Math.floor(i / c)]! * r[i % c]!)),
    }),
  };
}
const get = (name: string): Criterion => criterionFor(name)!;
const score = (name: string, ctx: Partial<CriterionContext> & { group: Group }): number[] => [
  ...get(name).score({ seed: 1, ...ctx }),
];
function close(got: readonly number[], want: readonly number[], digits = 6): void {
  expect(got.length).toBe(want.length);
  got.forEach((x, i) => expect(x).toBeCloseTo(want[i]!, digits));
}

// Columns of W1: (1,2), (3,-4), (0,1); rows of W2: (1,-1), (2,0), (-3,1).
const w1 = [1, 3, 0, 2, -4, 1],
  w2 = [1, -1, 2, 0, -3, 1];

describe('criteria without data', () => {
  it('are all there', () => {
    expect(allCriteria().map((c) => c.name)).toEqual([
      'activation-norm',
      'bn-scale',
      'fpgm',
      'l1',
      'l2',
      'lamp',
      'osscar',
      'random',
      'taylor',
      'taylor-mixed',
      'wifv',
    ]);
    for (const c of allCriteria()) expect(c.summary).not.toBe('');
  });

  it('random depends on the seed and the group alone', () => {
    const { group } = network(w1, w2);
    expect(score('random', { group, seed: 4 })).toEqual(score('random', { group, seed: 4 }));
    expect(score('random', { group, seed: 4 })).not.toEqual(score('random', { group, seed: 5 }));
    expect(score('random', { group: { ...group, id: 'other' } })).not.toEqual(score('random', { group }));
  });

  it('l1 and l2 sum over the coupled tensors', () => {
    const { group } = network(w1, w2);
    close(score('l1', { group }), [3 + 2, 7 + 2, 1 + 4]);
    close(score('l2', { group }), [Math.sqrt(5 + 2), Math.sqrt(25 + 4), Math.sqrt(1 + 10)]);
  });

  it('sums all slices of a unit', () => {
    const { group } = network(w1, w2);
    const merged: Group = {
      ...group,
      units: 2,
      members: group.members.map((m) => ({ ...m, indices: [[0, 2], [1]] })),
    };
    close(score('l1', { group: merged }), [10, 9]);
  });

  it('bn-scale reads gamma, and the own norm where it was folded', () => {
    close(score('bn-scale', network([1, 2, 3, -4, 0, 1], w2, { gamma: [0.5, -2, 1] })), [0.5, 2, 1]);
    close(score('bn-scale', network(w1, w2)), [Math.sqrt(5), 5, 1]);
  });

  it('fpgm sums distances between filters', () => {
    // (1,2) (3,-4) (0,1): distances sqrt(40), sqrt(2), sqrt(34).
    const [d01, d02, d12] = [Math.sqrt(40), Math.sqrt(2), Math.sqrt(34)];
    close(score('fpgm', network(w1, w2)), [d01 + d02, d01 + d12, d02 + d12]);
  });

  it('lamp gives 1 to the largest unit and does not change with the scale of the layer', () => {
    close(score('lamp', network(w1, w2)), [7 / (29 + 11 + 7), 1, 11 / (29 + 11)]);
    const twice = (a: readonly number[]): number[] => a.map((v) => v * 2);
    close(score('lamp', network(twice(w1), twice(w2))), score('lamp', network(w1, w2)));
  });
});

describe('criteria with activations', () => {
  const rows = [
    [1, 0, 2],
    [3, 0, 2],
  ];

  it('name the activations that they need', () => {
    const { group, a } = network(w1, w2);
    expect(activationsOf(sinkLinks(group))).toEqual([{ value: a, axis: 1 }]);
    for (const name of ['activation-norm', 'wifv', 'osscar'])
      expect(() => score(name, { group })).toThrow('no statistics');
  });

  it('find the consumer of a weight that is transposed on the way', () => {
    const { group, W2, a } = network(w1, w2);
    const [t] = a.graph!.emit('Transpose', [W2], { attributes: [['perm', ints([1, 0])]] }) as [Value];
    a.consumers()[0]!.setInput(1, t);
    expect(activationsOf(sinkLinks(group))).toEqual([{ value: a, axis: 1 }]);
  });

  it('activation-norm is |W| |x|', () => {
    const { group } = network(w1, w2);
    close(score('activation-norm', { group, statistics: () => statistics(rows) }), [2 * Math.sqrt(5), 0, 4 * 2]);
  });

  it('wifv is the standardised Var(x) W^2', () => {
    const { group } = network(w1, w2);
    // Variances 1, 0, 0: raw scores 2, 0, 0; mean 2/3, deviation sqrt(8)/3.
    const sd = Math.sqrt(8) / 3;
    const got = score('wifv', { group, statistics: () => statistics(rows) });
    close(got, [(2 - 2 / 3) / sd, -2 / 3 / sd, -2 / 3 / sd]);
    const scaled = network(
      w1,
      w2.map((v) => 7 * v),
    ).group;
    close(score('wifv', { group: scaled, statistics: () => statistics(rows) }), got);
  });

  it('osscar on uncorrelated channels is w^2 E[x^2] / 2, relative to the output', () => {
    const { group } = network(w1, w2);
    const eye = statistics([
      [1, 0, 0],
      [0, 2, 0],
      [0, 0, 3],
    ]);
    const q = [1 / 3, 4 / 3, 3];
    const damping = (0.01 * (1 / 3 + 4 / 3 + 3)) / 3;
    const norms = [2, 4, 10];
    const energy = q.reduce((s, v, j) => s + v * norms[j]!, 0);
    const want = q.map((v, j) => (0.5 * norms[j]! * (v + damping)) / energy);
    close(score('osscar', { group, statistics: () => eye }), want);
    // Expected scores without a Gram, hence without damping.
    const plain = q.map((v, j) => (0.5 * norms[j]! * v) / energy);
    const { gram: _, ...diagonal } = eye;
    close(score('osscar', { group, statistics: () => diagonal }), plain);
  });

  it('osscar on the moments of all kernel positions: what no refit of the kept positions and the bias restores', () => {
    const [channels, taps, rows, samples] = [3, 2, 2, 60];
    const n = channels * taps + 1;
    const random = seededRandom(21);
    const mix = Float64Array.from({ length: (n - 1) ** 2 }, () => random.normal());
    const gram = new Float64Array(n * n);
    for (let s = 0; s < samples; s++) {
      const z = Float64Array.from({ length: n - 1 }, () => random.normal());
      // The means are not zero: without the bias, the weights would have to compensate for them.
      const x = [...[...matmul(z, mix, 1, n - 1, n - 1)].map((v, i) => v + i), 1];
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) gram[i * n + j]! += x[i]! * x[j]!;
    }
    const weights = Float64Array.from({ length: rows * n }, () => random.normal());
    const { group } = network(w1, w2);
    const moments = { gram, weights, channels };
    const got = score('osscar', { group, moments: () => moments });

    const trace = Array.from({ length: n }, (_, i) => gram[i * n + i]!).reduce((a, b) => a + b, 0);
    const hessian = gram.map((v, i) => v + (Math.floor(i / n) === i % n ? (0.001 * trace) / n : 0));
    const costOf = (gone: readonly number[]): number => {
      const out = gone.flatMap((c) => [c * taps, c * taps + 1]);
      const stay = [...Array(n).keys()].filter((i) => !out.includes(i));
      const hSP = submatrix(hessian, n, stay, out);
      const refit = solveRidge(submatrix(hessian, n, stay, stay), hSP, stay.length, out.length, 0);
      const less = matmul(transpose(hSP, stay.length, out.length), refit, out.length, out.length, stay.length);
      const left = submatrix(hessian, n, out, out).map((v, i) => v - less[i]!);
      let sum = 0;
      for (let r = 0; r < rows; r++) {
        const w = Float64Array.from(out, (i) => weights[r * n + i]!);
        const product = matmul(left, w, out.length, 1, out.length);
        for (let i = 0; i < w.length; i++) sum += 0.5 * w[i]! * product[i]!;
      }
      return sum;
    };
    let power = 0;
    for (let r = 0; r < rows; r++) {
      const w = weights.subarray(r * n, (r + 1) * n);
      const made = matmul(gram, w, n, 1, n);
      for (let i = 0; i < n; i++) power += w[i]! * made[i]!;
      power -= made[n - 1]! ** 2 / samples;
    }
    const alone = [0, 1, 2].map((u) => costOf([u]));
    const first = alone.indexOf(Math.min(...alone));
    expect(got.indexOf(Math.min(...got))).toBe(first);
    expect(got[first]).toBeCloseTo(alone[first]! / power, 9);
    const pairs = [0, 1, 2].filter((u) => u !== first).map((u) => costOf([first, u]));
    const second = Math.min(...pairs) - alone[first]!;
    expect([...got].sort((a, b) => a - b)[1]).toBeCloseTo(second / power, 9);
  });

  it('osscar removes what the others can replace, where magnitude would keep it', () => {
    const { group } = network([1, 1, 1, 1, 1, 1], [3, 3, 3, 3, 0.8, 0.8]);
    const random = seededRandom(5);
    // Channels 0 and 1 are nearly copies; channel 2 has small weights and is independent.
    const rows = Array.from({ length: 50 }, () => {
      const x = random.normal();
      return [x, x + 0.01 * random.normal(), random.normal()];
    });
    const got = score('osscar', { group, statistics: () => statistics(rows) });
    const lowest = got.indexOf(Math.min(...got));
    expect(lowest).not.toBe(2);
    expect(Math.max(...got)).toBe(got[1 - lowest]);
  });

  it('osscar: the first score is the least-squares cost by direct solution, for units of several channels too', () => {
    const n = 6,
      random = seededRandom(11);
    const mix = Float64Array.from({ length: n * n }, () => random.normal());
    const rows = Array.from({ length: 40 }, () => {
      const z = Float64Array.from({ length: n }, () => random.normal());
      return [...matmul(z, mix, 1, n, n)];
    });
    const stats = statistics(rows);
    const weights = Array.from({ length: n * 2 }, () => Math.fround(random.normal()));
    const { group } = network(
      Array.from({ length: 2 * n }, () => 1),
      weights,
    );
    const units = [[0, 3], [1], [2, 4, 5]];
    const grouped: Group = { ...group, units: 3, members: group.members.map((m) => ({ ...m, indices: units })) };
    const got = score('osscar', { group: grouped, statistics: () => stats });

    const trace = stats.meanSquare.reduce((s, v) => s + v, 0);
    const hessian = stats.gram!.map((v, i) => v + (Math.floor(i / n) === i % n ? (0.01 * trace) / n : 0));
    const w = Float64Array.from(weights);
    const energy = stats.meanSquare.reduce((s, q, j) => s + q * (w[2 * j]! ** 2 + w[2 * j + 1]! ** 2), 0);
    // 1/2 tr(W_P' (H_PP - H_PS H_SS^-1 H_SP) W_P): the error left after refitting the kept weights.
    const costOf = (gone: readonly number[]): number => {
      const stay = [...Array(n).keys()].filter((i) => !gone.includes(i));
      const wP = Float64Array.from(gone.flatMap((j) => [w[2 * j]!, w[2 * j + 1]!]));
      const hSP = submatrix(hessian, n, stay, gone);
      const refit = solveRidge(submatrix(hessian, n, stay, stay), hSP, stay.length, gone.length, 0);
      const schur = submatrix(hessian, n, gone, gone);
      const less = matmul(transpose(hSP, stay.length, gone.length), refit, gone.length, gone.length, stay.length);
      const product = matmul(
        schur.map((v, i) => v - less[i]!),
        wP,
        gone.length,
        2,
        gone.length,
      );
      return (0.5 * product.reduce((s, v, i) => s + v * wP[i]!, 0)) / energy;
    };
    const costs = units.map(costOf);
    const first = costs.indexOf(Math.min(...costs));
    expect(got.indexOf(Math.min(...got))).toBe(first);
    expect(got[first]).toBeCloseTo(costs[first]!, 9);
    // After refitting, the cost of the second removal is the cost of both minus that of the first.
    const rest = [0, 1, 2].filter((u) => u !== first);
    const further = rest.map((u) => costOf([...units[first]!, ...units[u]!]) - costs[first]!);
    const second = rest[further.indexOf(Math.min(...further))]!;
    expect(got[second]).toBeCloseTo(Math.max(costs[first]!, Math.min(...further)), 9);
    expect(got[3 - first - second]).toBeGreaterThanOrEqual(got[second]!);
  });
});

describe('criteria with gradients', () => {
  const { group, W1, W2 } = network(w1, w2);
  const gradient = (v: Value) =>
    v === W1
      ? { mean: Float32Array.of(1, 0, 5, -1, 0.5, 2), meanSquare: Float32Array.of(1, 0, 9, 1, 1, 0) }
      : v === W2
        ? { mean: new Float32Array(6).fill(-1), meanSquare: new Float32Array(6).fill(2) }
        : undefined;

  it('need gradients', () => {
    expect(() => score('taylor', { group })).toThrow('no gradients');
  });
  it('taylor is sum |w g|', () => {
    close(score('taylor', { group, gradient }), [1 + 2 + 2, 0 + 2 + 2, 0 + 2 + 4]);
  });
  it('taylor-mixed is sum |w g - w^2 F / 2|', () => {
    // w1 by column: |1-.5| + |-2-2|, 0 + |-2-8|, 0 + 2; w2 (F = 2): |w (-1) - w^2|
    close(score('taylor-mixed', { group, gradient }), [0.5 + 4 + 2 + 0, 10 + 6 + 0, 2 + 6 + 2]);
  });
});
