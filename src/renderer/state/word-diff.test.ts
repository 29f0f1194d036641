import { describe, expect, it } from 'vitest';
import { wordDiff, type Piece } from './word-diff.ts';

const marked = (pieces: readonly Piece[]): string => pieces.map((p) => (p.differs ? `[${p.text.trim()}]` : p.text.trim())).join(' '); // prettier-ignore

describe('words that differ', () => {
  it.each([
    ['row2 col5', 'row2 col4', 'row2 [col5]', 'row2 [col4]'],
    ['a red ring', 'a red ring', 'a red ring', 'a red ring'],
    ['a red ring here', 'ring', '[a red] ring [here]', 'ring'],
    ['', 'yes', '', '[yes]'],
    ['one two', 'three', '[one two]', '[three]'],
  ])('of "%s" and "%s"', (a, b, left, right) => {
    const [x, y] = wordDiff(a, b);
    expect([marked(x), marked(y)]).toEqual([left, right]);
  });

  it('keep all white space', () => {
    const [a, b] = ['  a  b\n\nc ', 'a d\tc'];
    const [x, y] = wordDiff(a, b);
    const text = (pieces: readonly Piece[]): string => pieces.map((p) => p.text).join('');
    expect([text(x), text(y)]).toEqual([a, b]);
  });

  it('are found in long answers at once', () => {
    const long = Array.from({ length: 5000 }, (_, i) => `w${i}`).join(' ');
    const [x] = wordDiff(long, long);
    expect(x[0]!.differs).toBe(false);
    expect(x.map((p) => p.text).join('')).toBe(long);
  });
});
