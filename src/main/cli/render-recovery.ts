/** Renders the recovery of a package as text: what was trained, and what that gained on questions that were held out. */
import type { AnswerChange } from '../../shared/model/fewer-tokens.ts';
import type { TokenRecovery } from '../../shared/model/token-recovery.ts';
import { bytes, count, duration, percent, table } from './format.ts';
import { notes } from './render.ts';

const METHODS: Readonly<Record<TokenRecovery['by'], string>> = {
  full: 'all matrices of the decoder',
  lora: 'adapters, merged into the matrices of the decoder',
  projector: 'the projector of the vision component',
};

export function renderRecovery(r: TokenRecovery): string {
  const { train, choose, judge } = r.questions;
  const [before, after] = [r.before, r.after];
  let text = `\nrecovery: ${METHODS[r.by]}${r.rank === undefined ? '' : ` (rank ${r.rank}, alpha ${r.alpha})`}\n`;
  text += `  ${count(r.trained)} trained of ${count(r.weights)} weights, ${r.steps} steps of ${r.batch} in ${duration(1000 * r.seconds)} (${r.epochs.toFixed(1)} epochs)\n`;
  text += `  ${r.reason} Targets and inputs take ${bytes(r.bytes.lessons)}.\n`;
  text += `  questions: ${train} trained on, ${choose} chose the best state, ${judge} judge\n\n`;
  const row = (name: string, a: AnswerChange): string[] => [
    name,
    `${a.equal} of ${a.answers} (${percent(a.equal / a.answers, 0)})`,
    a.kl.toPrecision(3),
  ];
  const rows = [row('without recovery', before), ...(after ? [row('with recovery', after)] : [])];
  text += table([['on held-out questions', 'equal answers', 'KL per token'], ...rows], [0]);
  text += r.kept
    ? ''
    : after
      ? '\nNOT KEPT: the held-out questions are answered no better, so the package has its old weights.\n'
      : '\nNOT KEPT: training found nothing better, so the package has its old weights.\n';
  return text + notes(r.notes);
}
