/**
 * Renders figures of quality as text: the verdict first, samples and interval beside each figure.
 */
import type { CompressReport, OutputMeaning, Quality } from '../../shared/model/job.ts';
import type { Interval, OriginalQuality } from '../../shared/model/quality.ts';
import { figureText } from '../../shared/model/readings.ts';
import { presetNamed } from '../../shared/model/preprocess-presets.ts';
import { percent, table } from './format.ts';

const RED = '\u001b[31m';
const PLAIN = '\u001b[0m';

export const figureName = (q: Quality): string => figureText(q).short;

/** Empty when no interval is known. */
export const interval = (i: Interval | undefined): string =>
  i ? `${(100 * i.low).toFixed(1)} to ${(100 * i.high).toFixed(1)} %` : '';

/** The first lines of a rejected result, in red where the terminal has colours. */
export function renderVerdict(r: CompressReport, colours: boolean): string {
  if (r.accepted === undefined) return '';
  const warnings = (r.warnings ?? []).map((w) => `warning: ${w}\n`).join('');
  if (r.accepted) return `ACCEPTED: budget met and quality floor kept\n${warnings}\n`;
  const lines = ['NOT ACCEPTED', ...(r.reasons ?? []).map((x) => `  ${x}`)].join('\n');
  return `${colours ? `${RED}${lines}${PLAIN}` : lines}\n${warnings}\n`;
}

export function renderMeanings(meanings: readonly OutputMeaning[] | undefined): string {
  if (!meanings?.length) return '';
  // With several outputs, the text names the output that accuracy describes.
  const labels = (m: OutputMeaning): string => (m.labels && meanings.length > 1 ? '; labels are compared with it' : '');
  const rows = meanings.map((m) => [m.name, m.reading, m.why + labels(m)]);
  return `\n${table([['output', 'read as', 'because'], ...rows], [0, 1, 2])}`;
}

export function renderOriginal(q: OriginalQuality): string {
  const rows = [
    ['samples', `${q.samples} of ${q.of}`],
    [
      'input values',
      `${q.input.min.toPrecision(3)} to ${q.input.max.toPrecision(3)}, mean ${q.input.mean.toPrecision(3)}`,
    ],
  ];
  if (q.top1 !== undefined)
    rows.push(['top-1', `${percent(q.top1)} (${interval(q.interval)}); by chance ${percent(q.chance ?? 0)}`]);
  if (q.predicted?.length)
    rows.push(['predicted', q.predicted.map((p) => `${p.label} ${percent(p.share, 0)}`).join(', ')]);
  if (q.nonFinite > 0) rows.push(['NaN or infinite', `${q.nonFinite} samples`]);
  let text = `\nthe original on the data:\n${table(rows, [0, 1])}`;
  if (q.tried?.length)
    text += `\n${table(
      [
        ['preprocessing', 'top-1', 'interval', 'samples'],
        ...q.tried.map((t) => [
          presetNamed(t.preset)?.name ?? t.preset,
          percent(t.top1),
          interval(t.interval),
          String(t.samples),
        ]),
      ],
      [0],
    )}`;
  if (q.proposed) text += `proposed: --preprocess ${q.proposed}\n`;
  return text + q.warnings.map((w) => `warning: ${w}\n`).join('');
}
