/** Renders answers to questions: places first, then all questions and each kind. Warnings stand above the figures. */
import { basename } from 'node:path';
import type { FewerTokensReport } from '../../shared/model/fewer-tokens.ts';
import { FEW_SAMPLES } from '../../shared/model/quality.ts';
import type { AnswerFigures, QuestionFigures, QuestionsReport } from '../../shared/model/question-figures.ts';
import { percent, table } from './format.ts';

interface Row {
  readonly method: string;
  readonly tokens: number;
  readonly figures: QuestionFigures;
}

interface Column {
  readonly head: string;
  readonly of: (f: QuestionFigures) => string;
}

/** Warnings of figures that the questions do not give. */
export const questionWarnings = ({ warnings }: Pick<QuestionsReport, 'warnings'>): string =>
  warnings.length === 0 ? '' : `${warnings.map((w) => `WARNING: ${w}\n`).join('')}\n`;

/** Figures of the original, of the methods and of those that they are compared with. */
export function renderQuestions(r: FewerTokensReport, q: QuestionsReport): string {
  const rows: Row[] = [
    { method: 'original', tokens: r.tokens, figures: q.original },
    ...r.results.flatMap(({ method, tokens, figures }) => (figures ? [{ method, tokens, figures }] : [])),
    ...r.baselines.flatMap(({ method, tokens, figures }) => (figures ? [{ method, tokens, figures }] : [])),
  ];
  const columns = columnsOf(q);
  const body = rows.map(({ method, tokens, figures }) => [method, String(tokens), ...columns.map((c) => c.of(figures))]); // prettier-ignore
  let text = `${countsOf(q)}\n\n`;
  text += table([['method', 'tokens', ...columns.map((c) => c.head)], ...body]);
  return `${text}\n${legend(q)}`;
}

function countsOf(q: QuestionsReport): string {
  const kinds = q.original.kinds.map(({ kind, questions }) => `${questions} ${kind}`);
  const listed = kinds.length > 0 ? `: ${kinds.join(', ')}` : '';
  return `${q.questions} questions of ${basename(q.file)} about ${q.pictures} pictures${listed}`;
}

/** Places, then all questions, then the other kinds, then how the answers changed. */
function columnsOf(q: QuestionsReport): Column[] {
  const { kinds, all, localisation } = q.original;
  const kindOf = (f: QuestionFigures, kind: string): AnswerFigures => f.kinds.find((k) => k.kind === kind)!;
  const exact = (head: string, of: (f: QuestionFigures) => AnswerFigures): Column => ({ head, of: (f) => share(of(f)) }); // prettier-ignore
  const spread = (of: (f: QuestionFigures) => AnswerFigures): Column => ({ head: '95 %', of: (f) => spreadOf(of(f)) });
  const columns: Column[] = [];
  if (localisation && localisation.known > 0) {
    const places = (f: QuestionFigures): AnswerFigures => f.localisation!;
    columns.push(exact(q.localisation.length === 1 ? q.localisation[0]! : 'places', places));
    if (localisation.known >= FEW_SAMPLES) columns.push(spread(places));
  }
  if (all.known > 0) {
    columns.push(exact('exact', (f) => f.all));
    if (all.known >= FEW_SAMPLES) columns.push(spread((f) => f.all));
  }
  const apart = kinds.filter(({ kind, known }) => known > 0 && !(q.localisation.length === 1 && kind === q.localisation[0])); // prettier-ignore
  if (kinds.length > 1) for (const { kind } of apart) columns.push(exact(kind, (f) => kindOf(f, kind)));
  for (const kind of q.long) columns.push({ head: `${kind} CER`, of: (f) => rate(kindOf(f, kind).characterError) });
  columns.push({ head: 'equal', of: ({ all: a }) => percent(a.equal / a.questions, 0) });
  columns.push({ head: 'KL', of: (f) => f.all.kl.toPrecision(3) });
  if (q.hard) columns.push({ head: 'hard', of: ({ hard }) => `${hard}/${q.hard!.questions}` });
  return columns;
}

const share = ({ exact, known }: AnswerFigures): string => (known > 0 ? percent(exact / known, 0) : '-');
const spreadOf = ({ interval: i }: AnswerFigures): string =>
  i ? `${(100 * i.low).toFixed(0)}-${percent(i.high, 0)}` : '';
const rate = (error: number | null): string => (error === null ? '-' : percent(error));

function legend(q: QuestionsReport): string {
  const lines: string[] = [];
  if (q.localisation.length > 0) {
    const column = q.localisation.length === 1 ? q.localisation[0]! : 'places';
    lines.push(`${column}: right answers to questions that ask where something is (${q.localisation.join(', ')}).`);
  }
  if (q.original.all.known > 0)
    lines.push(`exact: right answers to ${q.original.all.known === q.questions ? 'all questions' : `the ${q.original.all.known} questions whose right answer is known`}; a kind's name: to those of the kind.`); // prettier-ignore
  if (q.long.length > 0) lines.push('CER: characters to change over characters of the right answer, less is better.');
  lines.push("equal: answers with the original's tokens. KL: nats per token along the original's answers, less is better."); // prettier-ignore
  if (q.hard) lines.push(`hard: right answers to the ${q.hard.questions} questions that the original answers right, and pictures with ${q.hard.tokens} tokens answer wrong.`); // prettier-ignore
  return lines.map((line) => `${line}\n`).join('');
}
