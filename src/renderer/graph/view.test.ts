import { describe, expect, it } from 'vitest';
import { step } from './move.ts';
import { firstView, fit, READABLE, reveal, zoomed } from './view.ts';

const box = { width: 100, height: 40 };
const pane = { width: 600, height: 300 };
const row = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`n${i}`, { x: i * 130, y: 0 }]));

describe('the first view of a graph', () => {
  it('shows a small graph whole, in the middle', () => {
    const { x, y, zoom } = firstView(row(3), box, pane);
    expect(zoom).toBeGreaterThan(1);
    expect(x + zoom * 180).toBeCloseTo(300);
    expect(y + zoom * 20).toBeCloseTo(150);
  });

  it('shows the beginning of a large graph with readable text', () => {
    for (const n of [5, 60, 3000]) {
      const view = firstView(row(n), box, pane);
      expect(view.zoom).toBeGreaterThanOrEqual(READABLE);
      expect(view.x).toBeGreaterThanOrEqual(0);
    }
    expect(fit(row(60), box, pane).zoom).toBeLessThan(READABLE);
  });
});

describe('moving in a graph', () => {
  const at = {
    a: { x: 0, y: 100 },
    b: { x: 130, y: 50 },
    c: { x: 130, y: 150 },
    d: { x: 260, y: 100 },
    wrapped: { x: 0, y: 300 },
  };
  const edges = [['a', 'c'], ['a', 'b'], ['b', 'd'], ['c', 'd'], ['d', 'wrapped']].map(([from, to]) => ({ from: from!, to: to! })); // prettier-ignore

  it('follows the edges sideways, into the next row too', () => {
    expect(['b', 'c']).toContain(step(at, edges, 'a', 'ArrowRight'));
    expect(step(at, edges, 'd', 'ArrowRight')).toBe('wrapped');
    expect(step(at, edges, 'wrapped', 'ArrowLeft')).toBe('d');
    expect(step(at, edges, 'a', 'ArrowLeft')).toBe(null);
  });

  it('goes to the nearest box above and below', () => {
    expect(step(at, edges, 'b', 'ArrowDown')).toBe('c');
    expect(step(at, edges, 'c', 'ArrowUp')).toBe('b');
    expect(step(at, edges, 'b', 'ArrowUp')).toBe(null);
    expect(step(at, edges, 'gone', 'ArrowUp')).toBe(null);
  });

  it('moves the view only for boxes out of sight', () => {
    const view = { x: 0, y: 0, zoom: 1 };
    expect(reveal(view, { x: 200, y: 100 }, box, pane)).toEqual(view);
    const { x } = reveal(view, { x: 900, y: 100 }, box, pane);
    expect(x + 900 + box.width).toBeLessThanOrEqual(pane.width);
  });

  it('zooms about the middle', () => {
    const near = zoomed({ x: 10, y: 20, zoom: 1 }, 1.5, pane);
    expect((300 - near.x) / near.zoom).toBeCloseTo(290);
    expect(zoomed(near, 100, pane).zoom).toBe(2);
  });
});
