import { describe, expect, it } from 'vitest';
import type { Facts } from '../../ir/facts.ts';
import { Value } from '../../ir/value.ts';
import { Widths } from '../../latency/widths.ts';
import { compatible, overlapOf } from './overlap.ts';
import type { Group } from './types.ts';

/** Three heads of four dimensions; queries, keys and values are concatenated. */
const HEADS = 3;
const SIZE = 4;
const part = (which: number, head: number, dim: number): number => (which * HEADS + head) * SIZE + dim;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const heads = range(HEADS).map((h) => [0, 1, 2].flatMap((w) => range(SIZE).map((d) => part(w, h, d))));
const dims = (parts: number[]) => range(SIZE).map((d) => parts.flatMap((w) => range(HEADS).map((h) => part(w, h, d))));
const value = new Value('qkv');
const group = (id: string, indices: number[][]): Group => ({
  id,
  units: indices.length,
  multiple: 1,
  members: [{ value, axis: 1, indices, role: 'through', nodes: [] }],
});

describe('two groups on one axis', () => {
  it('cross where every unit meets every unit alike', () => {
    expect(overlapOf(heads, dims([0, 1, 2]))).toBe('within');
    expect(overlapOf(heads, dims([0, 1]))).toBe('within');
    expect(overlapOf(dims([0, 1]), heads)).toBe('around');
    expect(overlapOf(dims([0, 1]), dims([2]))).toBe('none');
    expect(overlapOf(heads, heads)).toBe('other');
    expect(overlapOf(heads, heads.slice(1))).toBe('other');
    // One dimension is missing in one head.
    expect(
      overlapOf(
        heads,
        dims([0]).map((d, i) => (i === 0 ? d.slice(1) : d)),
      ),
    ).toBe('other');
    expect(overlapOf(dims([0, 1]), dims([1, 2]))).toBe('other');
  });

  it('are offered beside each other', () => {
    const base = [group('heads', heads)];
    const same = group('the same heads', heads);
    const [qk, v, all] = [group('qk', dims([0, 1])), group('v', dims([2])), group('all', dims([0, 1, 2]))];
    expect(compatible(base, [same, qk, v])).toEqual([qk, v]);
    // A group that crosses the first one already shares indices with another.
    expect(compatible(base, [all, qk])).toEqual([all]);
    expect(compatible([], [qk])).toEqual([]);
  });

  it('leave a product', () => {
    const facts: Facts = new Map([[value, { dtype: 1, shape: [1, 3 * HEADS * SIZE] }]]);
    const groups = [group('v', dims([2])), group('heads', heads), group('qk', dims([0, 1]))];
    for (const order of [groups, [groups[1]!, groups[2]!, groups[0]!], [groups[2]!, groups[0]!, groups[1]!]]) {
      const widths = new Widths(facts, order);
      for (const [h, qk, v] of [
        [3, 4, 4],
        [2, 4, 4],
        [3, 1, 4],
        [2, 3, 1],
        [1, 2, 2],
      ] as const) {
        const removed = new Set<number>();
        const cut = (indices: number[][], keep: number): void =>
          indices.slice(keep).forEach((at) => at.forEach((i) => removed.add(i)));
        cut(heads, h);
        cut(dims([0, 1]), qk);
        cut(dims([2]), v);
        const keep = new Map([
          ['heads', h],
          ['qk', qk],
          ['v', v],
        ]);
        expect(widths.shape(value, keep)).toEqual([1, 3 * HEADS * SIZE - removed.size]);
      }
      expect(widths.groupsOf(value).sort()).toEqual(['heads', 'qk', 'v']);
    }
  });
});
