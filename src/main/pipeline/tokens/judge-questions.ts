/** A file of questions, and how well packages with fewer tokens answer them beside the original. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import { FEW_SAMPLES } from '../../../shared/model/quality.ts';
import type { QuestionFigures, QuestionFile, QuestionsReport } from '../../../shared/model/question-figures.ts';
import { readQuestions, type PictureQuestion } from '../../data/question-table.ts';
import { failedBy, kindsOf, localisationKinds, longKinds, questionFigures } from '../../engine/quality/answers.ts';
import type { Answered } from './compare-answers.ts';

export interface OpenedQuestions {
  readonly file: string;
  readonly list: readonly PictureQuestion[];
  /** Kinds that ask where something is. */
  readonly localisation: readonly string[];
}

/** @throws 'usage' for a kind that no question has, and errors of `readQuestions` */
export async function openQuestions({ path, localisation: named }: QuestionFile): Promise<OpenedQuestions> {
  const list = await readQuestions(path);
  const kinds = kindsOf(list);
  const unknown = named?.find((kind) => !kinds.includes(kind));
  if (unknown !== undefined) {
    const has = kinds.length > 0 ? `its kinds are ${kinds.join(', ')}` : 'it has no column kind';
    throw new SecateurError('usage', { reason: `--localisation names ${unknown}, which no question of ${path} has; ${has}` }); // prettier-ignore
  }
  return { file: path, list, localisation: localisationKinds(kinds, named) };
}

/** A package whose answers are judged. */
export interface Judged {
  readonly method: string;
  readonly tokens: number;
  readonly answers: readonly Answered[];
}

/** @param pixels the method of smaller pictures among `judged` */
export function judgeQuestions(
  { file, list, localisation }: OpenedQuestions,
  original: readonly Answered[],
  judged: readonly Judged[],
  pixels: string,
): { readonly report: QuestionsReport; readonly figures: readonly QuestionFigures[] } {
  const smaller = judged.find(({ method }) => method === pixels);
  const isKnown = list.some(({ answer }) => answer !== null);
  const hard = smaller && isKnown ? failedBy(list, original, smaller.answers) : null;
  const of = (answers: readonly Answered[]): QuestionFigures => questionFigures(list, answers, { localisation, hard });
  const textOnly = list.filter(({ image }) => image === null).length;
  return {
    report: {
      file,
      questions: list.length,
      pictures: new Set(list.flatMap(({ image }) => image ?? [])).size,
      textOnly,
      localisation,
      long: longKinds(list),
      original: of(original),
      hard: hard && smaller ? { questions: hard.length, tokens: smaller.tokens } : null,
      warnings: warnings(list, localisation, textOnly),
    },
    figures: judged.map(({ answers }) => of(answers)),
  };
}

/** Figures that the questions do not give, the most serious first. */
function warnings(list: readonly PictureQuestion[], localisation: readonly string[], textOnly: number): string[] {
  if (textOnly === list.length)
    return ['TEXT ONLY: no question has a picture, so nothing about visual tokens is measured.'];
  const out: string[] = [];
  const known = list.filter(({ answer }) => answer !== null);
  const about = known.filter(({ kind }) => kind !== null && localisation.includes(kind)).length;
  if (about === 0)
    out.push(
      'DAMAGE TO PLACES IS NOT MEASURED: no question with a right answer asks where something is. Answers of other kinds often stay right when the places are lost. Add questions of the kind where, or name their kind with --localisation.',
    );
  if (known.length === 0)
    out.push('NO RIGHT ANSWERS: the file has no column answer, so only the change from the original is known.');
  if (textOnly > 0) out.push(`${textOnly} of ${list.length} questions have no picture, and their answers cannot change.`); // prettier-ignore
  if (known.length > 0 && known.length < FEW_SAMPLES) out.push(few(known.length, 'questions have a right answer'));
  else if (about > 0 && about < FEW_SAMPLES) out.push(few(about, 'questions ask where something is'));
  return out;
}

/** The half-width is that of a share of one half. */
const few = (n: number, which: string): string =>
  `Only ${n} ${which}: shares of them are known to about +-${Math.round((100 * 0.98) / Math.sqrt(n))} points (95 %).`;
