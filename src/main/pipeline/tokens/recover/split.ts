/** Which questions train, which choose the best state, and which judge the result. */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import { seededRandom } from '../../../engine/random.ts';
import type { Question } from '../compare-answers.ts';

export interface QuestionSplit {
  readonly train: readonly Question[];
  /** Choose the state that is kept. */
  readonly choose: readonly Question[];
  /** Judge the result. Neither training nor the choice sees them. */
  readonly judge: readonly Question[];
}

/** Fewest questions of which parts can be held out. */
const FEWEST = 10;
const [JUDGE, CHOOSE] = [0.2, 0.1];

/**
 * Holds out whole pictures, so that nothing of a picture is known where it is judged. With fewer than ten pictures
 * single questions are held out.
 * @throws 'recover-questions'
 */
export function splitQuestions(questions: readonly Question[], seed: number): QuestionSplit {
  if (questions.length < FEWEST)
    throw new SecateurError('recover-questions', { given: questions.length, least: FEWEST });
  const pictures = [...new Set(questions.map((q) => q.image))];
  const byPicture = pictures.length >= FEWEST;
  const units = byPicture ? pictures.map((image) => questions.filter((q) => q.image === image)) : questions.map((q) => [q]); // prettier-ignore
  seededRandom(seed).shuffle(units);
  const judge = Math.max(1, Math.round(JUDGE * units.length));
  const choose = Math.max(1, Math.round(CHOOSE * units.length));
  return {
    judge: units.slice(0, judge).flat(),
    choose: units.slice(judge, judge + choose).flat(),
    train: units.slice(judge + choose).flat(),
  };
}
