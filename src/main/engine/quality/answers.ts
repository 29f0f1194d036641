/** Judges answers to questions: equal to the right one, close to it, equal to the original's, and by kind of question. */
import type { AnswerFigures, QuestionFigures } from '../../../shared/model/question-figures.ts';
import { wilson } from '../heads/support/intervals.ts';

/** A question as its answers are judged. */
export interface JudgedQuestion {
  /** The right answer; null where it is not known. */
  readonly answer: string | null;
  readonly kind: string | null;
}

/** An answer of one package. */
export interface GivenAnswer {
  readonly text: string;
  /** The tokens are those of the original's answer. */
  readonly equal: boolean;
  /** Sum over the tokens of the original's answer: nats from its distribution of the next token to this package's. */
  readonly kl: number;
  /** Tokens of the original's answer. */
  readonly tokens: number;
}

/** Kinds that ask where something is, where the user names none. */
const LOCALISATION = /^(where|locations?|locali[sz]ation|position|place|grounding)$/i;

/** Mean characters of the right answers from which a kind counts as one of long answers. */
const LONG = 16;

/** Equal up to white space and the forms of Unicode. @internal */
export const isExact = (given: string, right: string): boolean => plain(given) === plain(right);

const plain = (text: string): string => text.normalize('NFC').trim().replace(/\s+/g, ' ');

/** Least number of characters to insert, delete or replace (Levenshtein 1966). Characters are code points. @internal */
export function editDistance(from: string, to: string): number {
  const [a, b] = [[...from], [...to]];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  a.forEach((x, i) => {
    const next = [i + 1];
    b.forEach((y, j) => next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + Number(x !== y))));
    row = next;
  });
  return row.at(-1)!;
}

/** Kinds in the order in which they appear. */
export const kindsOf = (questions: readonly JudgedQuestion[]): string[] => [
  ...new Set(questions.flatMap(({ kind }) => (kind === null ? [] : [kind]))),
];

/** @param named kinds that the user names; null: those whose name says so */
export const localisationKinds = (kinds: readonly string[], named: readonly string[] | null): string[] =>
  kinds.filter((kind) => (named ? named.includes(kind) : LOCALISATION.test(kind)));

/** Kinds whose right answers are long. */
export function longKinds(questions: readonly JudgedQuestion[]): string[] {
  return kindsOf(questions).filter((kind) => {
    const lengths = questions.flatMap((q) => (q.kind === kind && q.answer !== null ? [plain(q.answer).length] : []));
    return lengths.length > 0 && lengths.reduce((a, b) => a + b, 0) / lengths.length >= LONG;
  });
}

/** Numbers of the questions that the one package answers right and the other wrong. */
export function failedBy(
  questions: readonly JudgedQuestion[],
  right: readonly GivenAnswer[],
  wrong: readonly GivenAnswer[],
): number[] {
  return questions.flatMap(({ answer }, i) =>
    answer !== null && isExact(right[i]!.text, answer) && !isExact(wrong[i]!.text, answer) ? [i] : [],
  );
}

/**
 * @param answers one per question
 * @param o.localisation kinds that ask where something is
 * @param o.hard numbers of the questions that smaller pictures fail on
 */
export function questionFigures(
  questions: readonly JudgedQuestion[],
  answers: readonly GivenAnswer[],
  o: { readonly localisation: readonly string[]; readonly hard: readonly number[] | null },
): QuestionFigures {
  const every = questions.map((_, i) => i);
  const over = (chosen: readonly number[]): AnswerFigures => figuresOf(questions, answers, chosen);
  const ofKind = (kinds: readonly string[]): number[] =>
    every.filter((i) => questions[i]!.kind !== null && kinds.includes(questions[i]!.kind));
  return {
    all: over(every),
    kinds: kindsOf(questions).map((kind) => ({ kind, ...over(ofKind([kind])) })),
    localisation: o.localisation.length > 0 ? over(ofKind(o.localisation)) : null,
    hard: o.hard && o.hard.filter((i) => isExact(answers[i]!.text, questions[i]!.answer!)).length,
  };
}

function figuresOf(
  questions: readonly JudgedQuestion[],
  answers: readonly GivenAnswer[],
  chosen: readonly number[],
): AnswerFigures {
  const sum = (of: (i: number) => number): number => chosen.reduce((total, i) => total + of(i), 0);
  const rightOf = (i: number): string | null => questions[i]!.answer;
  const textOf = (i: number): string => answers[i]!.text;
  const known = sum((i) => Number(rightOf(i) !== null));
  const exact = sum((i) => Number(rightOf(i) !== null && isExact(textOf(i), rightOf(i)!)));
  const characters = sum((i) => [...plain(rightOf(i) ?? '')].length);
  const wrong = sum((i) => (rightOf(i) === null ? 0 : editDistance(plain(textOf(i)), plain(rightOf(i)!))));
  const tokens = sum((i) => answers[i]!.tokens);
  return {
    questions: chosen.length,
    known,
    exact,
    interval: known > 0 ? wilson(exact, known) : null,
    equal: sum((i) => Number(answers[i]!.equal)),
    kl: tokens > 0 ? sum((i) => answers[i]!.kl) / tokens : 0,
    characterError: characters > 0 ? wrong / characters : null,
  };
}
