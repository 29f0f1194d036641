/**
 * Questions about a picture, with their answers. A question has one answer: it names a thing by attributes that no
 * other thing of the picture has.
 */
import type { Random } from '../../random.ts';
import { seededRandom } from '../../random.ts';
import { COLOUR_NAMES, SHAPE_NAMES, makePicture, type Picture, type Thing } from './pictures.ts';
import { NUMBERS, columnWord, pluralOf, rowWord } from './vocabulary.ts';

export const QUESTION_TYPES = ['where', 'colour', 'shape', 'count', 'exist'] as const;
export type QuestionType = (typeof QUESTION_TYPES)[number];

export interface Question {
  readonly type: QuestionType;
  /** Words separated by spaces. */
  readonly question: string;
  readonly answer: string;
  /** The one thing that the question is about; null for counts and for things that are not there. */
  readonly thing: Thing | null;
}

/** Share of the questions that ask where a thing is. */
const WHERE = 0.34;
/** Shares of the others; the rest asks whether a thing is there. */
const OTHERS: readonly (readonly [QuestionType, number])[] = [
  ['colour', 0.27],
  ['shape', 0.27],
  ['count', 0.27],
];

/**
 * `count` random questions. They repeat where a picture has few things to ask about.
 * @param whereShare share of the questions that ask where a thing is
 */
export function askAbout(r: Random, picture: Picture, count: number, whereShare = WHERE): Question[] {
  const { things } = picture;
  const pick = <T>(list: readonly T[]): T => list[r.int(list.length)]!;
  const alone = (same: (a: Thing, b: Thing) => boolean): Thing[] =>
    things.filter((t) => things.every((o) => o === t || !same(o, t)));
  const lone = {
    where: alone((a, b) => a.colour === b.colour && a.shape === b.shape),
    colour: alone((a, b) => a.shape === b.shape),
    shape: alone((a, b) => a.colour === b.colour),
  };
  const oneOf: Record<QuestionType, () => Question | null> = {
    where: () => (lone.where.length ? where(pick(lone.where)) : null),
    colour: () => (lone.colour.length ? colour(pick(lone.colour)) : null),
    shape: () => (lone.shape.length ? shape(pick(lone.shape)) : null),
    count: () => howMany(r, things),
    exist: () => isThere(r, things, lone.where),
  };
  return Array.from({ length: count }, () => {
    let left = r.next();
    left = (left - whereShare) / (1 - whereShare);
    const type = left < 0 ? 'where' : (OTHERS.find(([, share]) => (left -= share) < 0)?.[0] ?? 'exist');
    return oneOf[type]() ?? oneOf.exist()!;
  });
}

const nameOf = (t: Thing): string => `${COLOUR_NAMES[t.colour]} ${SHAPE_NAMES[t.shape]}`;

const where = (thing: Thing): Question => ({
  type: 'where',
  question: `where is the ${nameOf(thing)}`,
  answer: `${rowWord(thing.row)} ${columnWord(thing.column)}`,
  thing,
});

const colour = (thing: Thing): Question => ({
  type: 'colour',
  question: `what colour is the ${SHAPE_NAMES[thing.shape]}`,
  answer: COLOUR_NAMES[thing.colour]!,
  thing,
});

const shape = (thing: Thing): Question => ({
  type: 'shape',
  question: `what shape is the ${COLOUR_NAMES[thing.colour]} thing`,
  answer: SHAPE_NAMES[thing.shape]!,
  thing,
});

/** Counts things of a colour or of a shape; one question in eight asks for any colour or shape, present or not. */
function howMany(r: Random, things: readonly Thing[]): Question {
  const any = r.int(8) === 0;
  const example = things[r.int(things.length)]!;
  const byColour = r.int(2) === 0;
  const wanted = byColour
    ? any ? r.int(COLOUR_NAMES.length) : example.colour
    : any ? r.int(SHAPE_NAMES.length) : example.shape; // prettier-ignore
  const what = byColour ? `${COLOUR_NAMES[wanted]} things` : pluralOf(SHAPE_NAMES[wanted]!);
  const n = things.filter((t) => (byColour ? t.colour : t.shape) === wanted).length;
  return { type: 'count', question: `how many ${what}`, answer: NUMBERS[n]!, thing: null };
}

/** Yes and no have equal shares. In half of the absent things, colour and shape both occur, on different things. */
function isThere(r: Random, things: readonly Thing[], lone: readonly Thing[]): Question {
  const ask = (t: Thing, answer: string): Question => ({
    type: 'exist',
    question: `is there a ${nameOf(t)}`,
    answer,
    thing: answer === 'yes' && lone.includes(t) ? t : null,
  });
  const pick = (): Thing => things[r.int(things.length)]!;
  if (r.int(2) === 0) return ask(pick(), 'yes');
  const hard = r.int(2) === 0;
  for (let tries = 0; ; tries++) {
    const shown = hard && tries < 20;
    const t: Thing = {
      ...pick(),
      colour: shown ? pick().colour : r.int(COLOUR_NAMES.length),
      shape: shown ? pick().shape : r.int(SHAPE_NAMES.length),
    };
    if (!things.some((o) => o.colour === t.colour && o.shape === t.shape)) return ask(t, 'no');
  }
}

export interface Sample extends Question {
  readonly picture: Picture;
}

/**
 * A set of questions: one about each of `count` pictures, types in turn as far as the pictures allow. The same seed
 * gives the same set.
 */
export function questionSet(seed: number, count: number): Sample[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const picture = makePicture(seed, i);
    const asked = askAbout(random.fork(~i), picture, 32);
    const type = QUESTION_TYPES[i % QUESTION_TYPES.length]!;
    return { picture, ...(asked.find((q) => q.type === type) ?? asked[0]!) };
  });
}
