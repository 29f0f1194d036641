/** Renders packages with fewer visual tokens as text. Unknown quality is said first. */
import { basename } from 'node:path';
import type { FewerTokensReport, MethodResult, Ratio } from '../../shared/model/fewer-tokens.ts';
import { milliseconds, percent, table } from './format.ts';
import { panelsOf, renderHeatMaps } from './render-heat-map.ts';
import { questionWarnings, renderQuestions } from './render-questions.ts';
import { renderRecovery } from './render-recovery.ts';
import { renderRetrieval } from './render-retrieval.ts';
import { notes } from './render.ts';

const NOT_JUDGED =
  'NOT JUDGED: no pictures were given, so nothing is known about the answers. Give some with --questions, or with --image and --prompt.\n\n';

const PLACES_NOT_JUDGED =
  'WARNING: DAMAGE TO PLACES IS NOT MEASURED: nothing says what these pictures and prompts ask. Give a file with --questions.\n\n';

export function renderTokens(r: FewerTokensReport): string {
  const judged = r.results.some((m) => m.answers);
  const [only] = r.results;
  const text = r.written && only ? one(r, only) : all(r);
  const asked = r.questions ?? r.retrieval;
  const first = asked ? questionWarnings(asked) : judged ? PLACES_NOT_JUDGED : NOT_JUDGED;
  const regions = renderHeatMaps(panelsOf(r));
  return first + text + (regions && `\n${regions}`) + notes(r.notes);
}

const ratioOf = ({ ratios }: MethodResult, name: string): Ratio | undefined => ratios.find((r) => r.name === name);

/** A ratio within its noise of 1 is no change. */
const ratioText = (r: Ratio | undefined): string =>
  r
    ? `${r.ratio.toFixed(2)}x +-${r.noise.toFixed(2)}${Math.abs(1 - r.ratio) <= r.noise ? ' (no clear change)' : ''}`
    : '-';
const short = (r: Ratio | undefined): string => (r ? `${r.ratio.toFixed(2)}x +-${r.noise.toFixed(2)}` : '-');

function one(r: FewerTokensReport, m: MethodResult): string {
  const { folder, changed, leftOut } = r.written!;
  let text = `${m.method}: ${m.tokens} of ${r.tokens} tokens per picture${m.how === null ? '' : ` (${m.how})`}\n`;
  if (m.recovery) text += renderRecovery(m.recovery);
  text += figures(r);
  if (m.answers) text += `\n${answers(m.answers)}`;
  text +=
    r.use.phases.length > 0 ? times(r, m) : '\nNOT MEASURED: the time of one use before and after is not known.\n';
  text += `${marks(r)}\nwritten to ${folder}\n  changed: ${changed.join(', ')}\n`;
  if (leftOut.length > 0)
    text += `  left out, because they are other files of the changed components: ${leftOut.join(', ')}\n`;
  const isDual = r.retrieval !== null || r.use.phases.some((p) => p.name === 'image');
  return `${text}  try it: secateur run ${folder} --image FILE ${isDual ? '--texts a,b' : '--prompt TEXT'}\n`;
}

function times(r: FewerTokensReport, m: MethodResult): string {
  const rows = (
    list: readonly { name: string; ms: number }[],
    after: readonly { name: string; ms: number }[],
  ): string[][] =>
    list.map(({ name, ms }) => {
      const later = after.find((a) => a.name === name);
      return [name, milliseconds(ms), later ? milliseconds(later.ms) : '-', ratioText(ratioOf(m, name))];
    });
  const phases = table([['one run of', 'before', 'after', 'ratio'], ...rows(r.use.phases, m.use.phases)], [0, 3]);
  const metrics = table([['metric', 'before', 'after', 'ratio'], ...rows(r.use.metrics, m.use.metrics)], [0, 3]);
  return `\n${r.about}\n\n${phases}\n${metrics}`;
}

/** How image tokens are marked, and the runners that follow. */
function marks({ marks: m, results }: FewerTokensReport): string {
  if (!m) return '';
  const whose = results.length > 1 ? 'decoder-*: ' : '';
  let text = `\n${whose}image tokens are marked by ${m.route}: ${m.reason}\n`;
  text += `  runs where the original ran, in ${m.runs.join(' and ')}\n`;
  for (const { runner, reason } of m.refuses) text += `  does not run in ${runner}: ${reason}\n`;
  return text;
}

function figures(r: FewerTokensReport): string {
  if (r.questions) return `\n${renderQuestions(r, r.questions)}`;
  return r.retrieval ? `\n${renderRetrieval(r, r.retrieval)}` : '';
}

function answers(a: NonNullable<MethodResult['answers']>): string {
  let text = `answers: ${a.equal} of ${a.answers} equal (${percent(a.equal / a.answers, 0)}), KL ${a.kl.toPrecision(3)} nats per token along the original's answers\n`;
  for (const { image, prompt, before, after } of a.shown) {
    text += `  ${basename(image)}${prompt === null ? '' : `, ${JSON.stringify(prompt)}`}\n`;
    text += before === after ? `    both:   ${before}\n` : `    before: ${before}\n    after:  ${after}\n`;
  }
  return text;
}

function all(r: FewerTokensReport): string {
  const judged = !r.questions && r.results.some((m) => m.answers);
  let text = `${r.component} gives ${r.tokens} tokens per picture; ${r.asked} were asked for\n\n`;
  const phases = ['vision', 'image', 'prefill'].filter((name) => r.use.phases.some((p) => p.name === name));
  const metrics = r.use.metrics.map((m) => m.name);
  const timed = r.use.phases.length > 0 ? [...phases, ...metrics] : [];
  const head = ['method', 'tokens', ...timed, ...(judged ? ['equal', 'KL'] : []), ''];
  text += table(
    [
      head,
      ...r.results.map((m) => [
        m.method,
        String(m.tokens),
        ...timed.map((name) => short(ratioOf(m, name))),
        ...(judged && m.answers ? [`${m.answers.equal}/${m.answers.answers}`, m.answers.kl.toPrecision(3)] : []),
        m.how ?? '',
      ]),
    ],
    [0, head.length - 1],
  );
  if (timed.length > 0)
    text += `\nTimes are ratios to the original: ${r.use.metrics.map((m) => `${m.name} ${milliseconds(m.ms)}`).join(', ')} for ${r.about}.\n`;
  if (judged) text += "equal: answers with the original's tokens; KL: nats per token along the original's answers, less is better.\n"; // prettier-ignore
  text += figures(r);
  if (r.refused.length > 0) text += `\nnot possible here\n${table(r.refused.map(({ method, reason }) => [`  ${method}`, reason]), [0, 1])}`; // prettier-ignore
  text += marks(r);
  return `${text}\nWrite one of them: secateur tokens ${r.package} --keep N --method NAME\n`;
}
