/** Renders how well dual encoders bring pictures and texts together. */
import { basename } from 'node:path';
import type { FewerTokensReport } from '../../shared/model/fewer-tokens.ts';
import { FEW_SAMPLES } from '../../shared/model/quality.ts';
import type { RetrievalFigures, RetrievalReport } from '../../shared/model/question-figures.ts';
import { percent, table } from './format.ts';

/** Among so few candidates the five nearest are all of them. */
const TOO_FEW = 5;

export function renderRetrieval(r: FewerTokensReport, q: RetrievalReport): string {
  const rows = [
    { method: 'original', tokens: r.tokens, f: q.original },
    ...[...r.results, ...r.baselines].flatMap(({ method, tokens, retrieval: f }) => (f ? [{ method, tokens, f }] : [])),
  ];
  const { pictures, texts } = q.original;
  const columns = columnsOf(q);
  let text = `${pictures} pictures and ${texts} texts of ${basename(q.file)}\n\n`;
  text += table([
    ['method', 'tokens', ...columns.map(([head]) => head)],
    ...rows.map(({ method, tokens, f }) => [method, String(tokens), ...columns.map(([, of]) => of(f))]),
  ]);
  return `${text}\n${legend(q)}`;
}

function columnsOf(q: RetrievalReport): [string, (f: RetrievalFigures) => string][] {
  const { pictures, texts } = q.original;
  const columns: [string, (f: RetrievalFigures) => string][] = [['top-1', (f) => percent(f.top1 / pictures)]];
  if (pictures >= FEW_SAMPLES)
    columns.push(['95 %', ({ interval: i }) => `${(100 * i.low).toFixed(1)}-${percent(i.high)}`]);
  if (texts > TOO_FEW) columns.push(['top-5', (f) => percent(f.top5 / pictures)]);
  columns.push(['R@1', (f) => percent(f.textTop1 / texts)]);
  if (pictures > TOO_FEW) columns.push(['R@5', (f) => percent(f.textTop5 / texts)]);
  columns.push(['equal', (f) => percent(f.equal / pictures)], ['cosine', (f) => f.cosine.toFixed(4)]);
  if (q.hard) columns.push(['hard', (f) => `${f.hard}/${q.hard!.pictures}`]);
  return columns;
}

const legend = ({ hard }: RetrievalReport): string =>
  [
    'top-1, top-5: pictures with one of their texts as the nearest, or among the five nearest. Names of classes as texts make it zero-shot accuracy.',
    'R@1, R@5: texts with one of their pictures as the nearest, or among the five nearest.',
    "equal: pictures with the original's nearest text. cosine: with the original's vectors.",
    ...(hard
      ? [`hard: top-1 of the ${hard.pictures} pictures that the original gets right, and pictures with ${hard.tokens} tokens wrong.`] // prettier-ignore
      : []),
  ]
    .map((line) => `${line}\n`)
    .join('');
