import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../random.ts';
import { COLOUR_NAMES, GRID, PICTURE_SIZE, SHAPE_NAMES, makePicture } from './pictures.ts';
import { QUESTION_TYPES, askAbout, questionSet } from './questions.ts';
import { NUMBERS, SPECIAL, WORDS, columnWord, decode, encode, pluralOf, rowWord } from './vocabulary.ts';

const CELL = PICTURE_SIZE / GRID;

describe('pictures', () => {
  it('repeat themselves for a seed and number, and differ between numbers', () => {
    expect(makePicture(4, 7)).toEqual(makePicture(4, 7));
    expect(makePicture(4, 8)).not.toEqual(makePicture(4, 7));
    expect(makePicture(5, 7)).not.toEqual(makePicture(4, 7));
  });

  it('show each thing in its cell, and no saturated pixel elsewhere', () => {
    for (let i = 0; i < 20; i++) {
      const { things, pixels } = makePicture(1, i);
      expect(things.length).toBeGreaterThanOrEqual(3);
      expect(new Set(things.map((t) => t.row * GRID + t.column)).size).toBe(things.length);
      const vivid = new Int32Array(GRID * GRID);
      for (let y = 0; y < PICTURE_SIZE; y++)
        for (let x = 0; x < PICTURE_SIZE; x++) {
          const bright = Math.max(...pixels.subarray((y * PICTURE_SIZE + x) * 3, (y * PICTURE_SIZE + x) * 3 + 3));
          if (bright > 0.62 * 255) vivid[Math.floor(y / CELL) * GRID + Math.floor(x / CELL)]!++;
        }
      vivid.forEach((n, cell) => {
        const thing = things.some((t) => t.row * GRID + t.column === cell);
        if (thing) expect(n, `picture ${i}, cell ${cell}`).toBeGreaterThan(15);
        else expect(n, `picture ${i}, cell ${cell}`).toBe(0);
      });
    }
  });
});

describe('questions', () => {
  const samples = questionSet(3, 400);

  it('repeat themselves for a seed', () => {
    expect(questionSet(3, 20)).toEqual(samples.slice(0, 20));
  });

  it('have equal shares, as far as pictures allow', () => {
    for (const type of QUESTION_TYPES) {
      const share = samples.filter((q) => q.type === type).length / samples.length;
      expect(share, type).toBeGreaterThan(0.12);
      expect(share, type).toBeLessThan(0.35);
    }
  });

  it('have the answer that the picture shows', () => {
    for (const { type, question, answer, picture } of samples) {
      const { things } = picture;
      const words = question.split(' ');
      const shapeOf = (w: string): number => SHAPE_NAMES.findIndex((s) => s === w || pluralOf(s) === w);
      const colours = words.map((w) => COLOUR_NAMES.indexOf(w)).filter((i) => i >= 0);
      const shapes = words.map(shapeOf).filter((i) => i >= 0);
      const meant = things.filter((t) => (!colours.length || t.colour === colours[0]) && (!shapes.length || t.shape === shapes[0])); // prettier-ignore
      const expected = {
        where: () => `${rowWord(meant[0]!.row)} ${columnWord(meant[0]!.column)}`,
        colour: () => COLOUR_NAMES[meant[0]!.colour],
        shape: () => SHAPE_NAMES[meant[0]!.shape],
        count: () => NUMBERS[meant.length],
        exist: () => (meant.length > 0 ? 'yes' : 'no'),
      }[type]();
      expect(answer, question).toBe(expected);
      if (type === 'where' || type === 'colour' || type === 'shape') expect(meant, question).toHaveLength(1);
    }
  });

  it('are written in words of the vocabulary', () => {
    const picture = makePicture(9, 1);
    for (const { question, answer } of askAbout(seededRandom(1), picture, 50)) {
      const text = `${question} ${answer}`;
      expect(encode(text).every((id) => id >= SPECIAL.length)).toBe(true);
      expect(decode(encode(text))).toBe(text);
    }
  });
});

it('has no word twice', () => {
  expect(new Set(WORDS).size).toBe(WORDS.length);
});
