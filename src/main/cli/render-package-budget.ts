/** Renders the result of a budget on a whole package as text. Reasons against it come first. */
import { basename } from 'node:path';
import type { PackageBudgetReport, PackageChoice } from '../../shared/model/package-budget.ts';
import { milliseconds, percent, table } from './format.ts';
import { notes } from './render.ts';

export function renderPackageBudget(r: PackageBudgetReport): string {
  let text = r.accepted ? '\naccepted\n' : `\nNOT ACCEPTED\n${r.reasons.map((reason) => `  ${reason}\n`).join('')}`;
  text += r.warnings.map((w) => `WARNING: ${w}\n`).join('');
  if (r.workload) text += `\n${use(r)}`;
  if (r.choice) text += `\nchosen: ${choiceText(r.choice)}${r.tokens?.how ? ` (${r.tokens.how})` : ''}\n`;
  if (r.answers) {
    const { answers, equal, kl, shown } = r.answers;
    text += `answers: ${equal} of ${answers} equal (${percent(equal / answers, 0)}), KL ${kl.toPrecision(3)} nats per token along the original's answers\n`;
    for (const { image, prompt, before, after } of shown)
      text += `  ${basename(image)}${prompt === null ? '' : `, ${JSON.stringify(prompt)}`}: ${before === after ? before : `${before} -> ${after}`}\n`;
  }
  text += questions(r);
  text += `floor: ${percent(r.floor.minAgreement, 0)} equal answers, or a drop of right answers by at most ${percent(r.floor.maxDrop, 0)} where these are known\n`;
  text += ways(r);
  if (r.refused.length > 0) text += `\nnot reduced\n${table(r.refused.map((f) => [`  ${f.part}`, f.reason]), [0, 1])}`; // prettier-ignore
  text += notes(r.notes);
  if (r.written) text += `\nwritten to ${r.written.folder}\n  changed: ${r.written.changed.join(', ')}\n`;
  return `${text}job     ${r.job} (${Math.round(r.seconds)} s)\n`;
}

function use({ workload }: PackageBudgetReport): string {
  const w = workload!;
  const { low, high } = w.latency;
  const share = `${percent(low, 1)} to ${percent(high, 1)} of the budget`;
  const phases = table(
    [
      ['  phase', 'component', 'runs', 'before', 'after'],
      ...w.phases.map((p) => [`  ${p.name}`, p.component, String(p.weight), milliseconds(p.beforeMs), milliseconds(p.afterMs)]), // prettier-ignore
    ],
    [0, 1],
  );
  return `${w.about}: ${w.metric} ${milliseconds(w.beforeMs)} -> ${milliseconds(w.afterMs)}, budget ${milliseconds(w.budgetMs)} (${share})\n${phases}`;
}

/** A choice in words. */
function choiceText({ tokens, components }: PackageChoice): string {
  const parts = [
    ...(tokens ? [`${tokens.keep} tokens by ${tokens.method}`] : []),
    ...Object.entries(components).map(([id, share]) => `${id} at ${share.toFixed(2)}x`),
  ];
  return parts.length > 0 ? parts.join(', ') : 'nothing changed';
}

/** The ways that were built, the least damage first. */
function ways(r: PackageBudgetReport): string {
  if (r.ways.length === 0) return '';
  const sorted = [...r.ways].sort((a, b) => Number(b.reached) - Number(a.reached) || a.kl - b.kl);
  const rows = sorted.map((w) => [
    `${w.chosen ? '* ' : '  '}${choiceText(w)}`,
    `${w.ratio.toFixed(3)}x`,
    w.kl.toPrecision(3),
    w.predictedKl.toPrecision(3),
    w.reached ? '' : 'over the budget',
  ]);
  return `\nways to meet the budget, on the questions that choose\n${table([['  way', r.workload?.metric ?? 'time', 'KL', 'sum of parts', ''], ...rows], [0, 4])}`;
}

function questions({ figures, questions: all }: PackageBudgetReport): string {
  if (!figures || !all || figures.all.known === 0) return '';
  const before = all.original.all;
  const of = (a: { exact: number; known: number }): string => `${a.exact} of ${a.known}`;
  const kinds = figures.kinds.map((k, i) => `${k.kind} ${of(all.original.kinds[i]!)} -> ${of(k)}`).join(', ');
  return `right answers: ${of(before)} -> ${of(figures.all)}${kinds && ` (${kinds})`}\n`;
}
