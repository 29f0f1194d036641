import { describe, expect, it } from 'vitest';
import { rows } from '../../src/renderer/graph/rows.ts';

const box = (id: string) => ({ id, width: 132, height: 44 });

describe('rows', () => {
  it('places every box once, none over another, and followers after what they follow', () => {
    const boxes = Array.from({ length: 2000 }, (_, i) => box(`n${i}`));
    const edges = boxes.flatMap((_, i) => [
      ...(i > 0 ? [{ from: `n${i - 1}`, to: `n${i}` }] : []),
      ...(i % 4 === 0 && i + 3 < boxes.length ? [{ from: `n${i}`, to: `n${i + 3}` }] : []),
    ]);
    const { at } = rows({ boxes, edges });
    expect(Object.keys(at)).toHaveLength(2000);
    expect(new Set(Object.values(at).map(({ x, y }) => `${x} ${y}`)).size).toBe(2000);
    for (const { from, to } of edges) expect(at[to]!.y > at[from]!.y || at[to]!.x > at[from]!.x).toBe(true);
    const right = Math.max(...Object.values(at).map((p) => p.x));
    const bottom = Math.max(...Object.values(at).map((p) => p.y));
    expect(right / bottom).toBeGreaterThan(1.5);
    expect(right / bottom).toBeLessThan(4);
  });
  it('sets branches below each other', () => {
    const { at } = rows({
      boxes: ['in', 'a', 'b', 'out'].map(box),
      edges: [
        { from: 'in', to: 'a' },
        { from: 'in', to: 'b' },
        { from: 'a', to: 'out' },
        { from: 'b', to: 'out' },
      ],
    });
    expect(at['a']!.x).toBe(at['b']!.x);
    expect(Math.abs(at['a']!.y - at['b']!.y)).toBeGreaterThan(44);
  });
  it('ends with circles, unknown names and nothing at all', () => {
    expect(rows({ boxes: [], edges: [] }).at).toEqual({});
    const circle = [
      { from: 'a', to: 'b' },
      { from: 'b', to: 'a' },
      { from: 'b', to: 'gone' },
    ];
    expect(Object.keys(rows({ boxes: [box('a'), box('b')], edges: circle }).at)).toEqual(['a', 'b']);
  });
});
