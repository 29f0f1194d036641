import { describe, expect, it } from 'vitest';
import {
  editDistance,
  failedBy,
  isExact,
  kindsOf,
  localisationKinds,
  longKinds,
  questionFigures,
  type GivenAnswer,
  type JudgedQuestion,
} from './answers.ts';

const given = (text: string, o: Partial<GivenAnswer> = {}): GivenAnswer => ({ text, equal: true, kl: 0, tokens: 2, ...o }); // prettier-ignore
const asked = (kind: string | null, answer: string | null): JudgedQuestion => ({ kind, answer });

describe('one answer', () => {
  it('is exact up to white space and forms of Unicode, and not up to letters', () => {
    expect(isExact(' row1  col2\n', 'row1 col2')).toBe(true);
    expect(isExact('cafe\u0301', 'caf\u00e9')).toBe(true);
    expect(isExact('Row1 col2', 'row1 col2')).toBe(false);
    expect(isExact('', 'a')).toBe(false);
  });

  it.each([
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['abc', 'abc', 0],
    ['flaw', 'lawn', 2],
    // One code point of two UTF-16 units.
    ['a\u{1f600}b', 'ab', 1],
  ])('%j to %j takes %i changes', (from, to, changes) => {
    expect(editDistance(from, to)).toBe(changes);
  });
});

describe('kinds of questions', () => {
  const questions = [asked('ocr', 'the quick brown fox'), asked('where', 'row1 col2'), asked(null, 'x'), asked('ocr', 'jumps over the dog')]; // prettier-ignore

  it('appear in order, and some have long answers', () => {
    expect(kindsOf(questions)).toEqual(['ocr', 'where']);
    expect(longKinds(questions)).toEqual(['ocr']);
  });

  it('are about places by their name, or because the user says so', () => {
    expect(localisationKinds(['where', 'colour', 'Location'], null)).toEqual(['where', 'Location']);
    expect(localisationKinds(['where', 'colour'], ['colour'])).toEqual(['colour']);
    expect(localisationKinds(['colour', 'whereabouts'], null)).toEqual([]);
  });
});

describe('figures of a package', () => {
  const questions = [asked('where', 'a b'), asked('where', 'c d'), asked('colour', 'red'), asked('colour', null)];
  const original = ['a b', 'c d', 'red', 'blue'].map((text) => given(text));
  const pixels = [given('a b'), given('x'), given('green', { equal: false }), given('blue')];
  const pruned = [
    given('a b', { kl: 0.5, tokens: 3 }),
    given('c e', { equal: false, kl: 2, tokens: 3 }),
    given('red', { kl: 0.25, tokens: 2 }),
    given('pink', { equal: false, kl: 0.25, tokens: 2 }),
  ];

  it('are those computed by hand', () => {
    const hard = failedBy(questions, original, pixels);
    expect(hard).toEqual([1, 2]);
    const f = questionFigures(questions, pruned, { localisation: ['where'], hard });
    // Characters: 'c e' for 'c d' is one of 3 + 3 + 3. KL: 3 nats over 10 tokens.
    expect(f.all).toMatchObject({ questions: 4, known: 3, exact: 2, equal: 2, kl: 0.3, characterError: 1 / 9 });
    expect(f.localisation).toMatchObject({ questions: 2, known: 2, exact: 1, equal: 1, characterError: 1 / 6 });
    expect(f.localisation!.kl).toBeCloseTo(2.5 / 6, 9);
    expect(f.kinds.map((k) => [k.kind, k.exact, k.known])).toEqual([
      ['where', 1, 2],
      ['colour', 1, 1],
    ]);
    expect(f.hard).toBe(1);
    // Wilson's interval of 2 of 3.
    expect(f.all.interval!.low).toBeCloseTo(0.2077, 4);
    expect(f.all.interval!.high).toBeCloseTo(0.9385, 4);
  });

  it('are unknown where nothing says what is right', () => {
    const unknown = [asked(null, null), asked(null, null)];
    const f = questionFigures(unknown, pruned.slice(0, 2), { localisation: [], hard: null });
    expect(f).toMatchObject({ kinds: [], localisation: null, hard: null });
    expect(f.all).toMatchObject({ known: 0, exact: 0, interval: null, characterError: null, equal: 1 });
  });
});
