/** The model card of a bundle, in Markdown. Everything in it comes from the job's report. */
import type { Interval } from '../../../shared/model/quality.ts';
import type { CompressReport, ModelMeasure, Preprocess, WorkloadResult } from '../../../shared/model/job.ts';
import { figureText } from '../../../shared/model/readings.ts';
import { tokenSentences } from '../../../shared/model/token-words.ts';
import type { Budget, DeviceProfile } from '../../../shared/model/types.ts';

export interface CardInput {
  readonly name: string;
  readonly originalName: string;
  readonly report: CompressReport;
  readonly budget: Budget;
  readonly device: DeviceProfile;
  readonly preprocess: Preprocess | null;
  readonly classes: number | null;
  /** Licence of the model, in one line. */
  readonly licence: string;
}

const ms = (x: number): string => `${x.toPrecision(4)} ms`;
const percent = (x: number | undefined, i?: Interval): string =>
  x === undefined
    ? 'not measured'
    : `${(100 * x).toFixed(2)} %${i ? ` (${(100 * i.low).toFixed(1)} to ${(100 * i.high).toFixed(1)})` : ''}`;
const big = (x: number): string =>
  x >= 1e9
    ? `${(x / 1e9).toFixed(2)} G`
    : x >= 1e6
      ? `${(x / 1e6).toFixed(2)} M`
      : x >= 1e3
        ? `${(x / 1e3).toFixed(1)} k`
        : `${x}`;
const db = (x: number | null | undefined): string =>
  x === undefined ? 'not measured' : x === null ? 'exact' : `${x.toFixed(1)} dB`;
const capital = (s: string): string => s[0]!.toUpperCase() + s.slice(1);
/** Makes text safe for a table cell or a line. */
const inline = (s: string): string => s.replace(/[\r\n]+/g, ' ').replaceAll('|', '\\|');

function rows(a: ModelMeasure, b: ModelMeasure): string[] {
  const row = (what: string, x: string, y: string): string => `| ${what} | ${x} | ${y} |`;
  const out = [
    row('Latency p50', ms(a.p50Ms), ms(b.p50Ms)),
    row('Latency p95', ms(a.p95Ms), ms(b.p95Ms)),
    row('Multiply-accumulates', big(a.macs), big(b.macs)),
    row('Parameters', big(a.params), big(b.params)),
    row('File size', `${big(a.bytes)}B`, `${big(b.bytes)}B`),
  ];
  const p = a.quality,
    q = b.quality;
  if (!q) return [...out, row('Quality', 'not measured: no data were given', 'not measured')];
  if (q.top1 !== undefined) out.push(row('Top-1 accuracy', percent(p?.top1), percent(q.top1, q.top1Interval)));
  if (q.top5 !== undefined) out.push(row('Top-5 accuracy', percent(p?.top5), percent(q.top5)));
  if (q.agreement !== undefined)
    out.push(row(capital(figureText(q).figure), '-', percent(q.agreement, q.agreementInterval)));
  return [...out, row('Signal-to-noise against the original', '-', db(q.snrDb))];
}

/** The verdict, with its interval where there is one. */
function verdictText(r: CompressReport): string {
  if (!r.latency) return r.met ? 'met' : 'not met';
  const share = (x: number): string => (Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : 'unknown');
  const words = { met: 'met', missed: 'missed', 'too-close': 'too close to call' }[r.latency.verdict];
  return `${words} (${share(r.latency.low)} to ${share(r.latency.high)} of it, 95 % interval)`;
}

/** The use of the package that contains the model: its verdict, and the phases before and after. */
function useLines(w: WorkloadResult): string[] {
  const share = (x: number): string => (Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : 'unknown');
  const words = { met: 'met', missed: 'missed', 'too-close': 'too close to call' }[w.latency.verdict];
  const row = (name: string, component: string, before: number, after: number): string =>
    `| ${inline(name)} | ${inline(component)} | ${ms(before)} | ${ms(after)} |`;
  return [
    `This is the component \`${inline(w.component)}\` of a package. The budget is one on a use of the package (${inline(w.about)}): ` +
      `${inline(w.metric)} ${ms(w.beforeMs)} -> ${ms(w.afterMs)}, budget ${ms(w.budgetMs)}: **${words}** (${share(w.latency.low)} to ${share(w.latency.high)} of it, 95 % interval).`,
    '',
    '| phase | component | before | after |',
    '|---|---|---:|---:|',
    ...w.phases.map((p) =>
      row(p.weight === 1 ? p.name : `${p.name} x ${p.weight}`, p.component, p.beforeMs, p.afterMs),
    ),
    row(w.metric, '', w.beforeMs, w.afterMs),
    '',
    "The component's own figures:",
    '',
  ];
}

/** Sentences and tables for people who deploy the model. `report.result` must be present. */
export function modelCard(c: CardInput): string {
  const { report: r, budget: b } = c,
    result = r.result!;
  const target = b.ms !== undefined ? ms(b.ms) : `${b.ratio} of the original's latency`,
    of = `p${b.percentile}, batch ${b.batch}, ${b.threads} thread${b.threads === 1 ? '' : 's'}, ${b.provider}`;
  const lines = [
    `# ${inline(c.name)}`,
    '',
    ...(r.accepted === false
      ? ['> **Not accepted. Experimental: do not rely on this model.**', ...(r.reasons ?? []).map((x) => `> - ${inline(x)}`), ''] // prettier-ignore
      : []),
    `A smaller version of \`${inline(c.originalName)}\`, made by structured pruning with Secateur.`,
    ...(r.workload ? useLines(r.workload) : [`Budget: ${target} (${ms(r.budgetMs)} at ${of}): **${verdictText(r)}**.`, '']), // prettier-ignore
    '| | original | this model |',
    '|---|---:|---:|',
    ...rows(r.baseline, result),
    '',
    `Latency was ${r.provenance.kind} on ${inline(c.device.name)} (${inline(r.provenance.processor)}, ${inline(r.provenance.runtime)}, ${r.provenance.date}); ` +
      `${result.runs} runs, noise +-${result.noiseMs.toPrecision(2)} ms. It differs on other devices.`,
  ];
  if (result.quality) lines.push(`Quality was measured on ${result.quality.samples} samples that no stage trained on.`);
  for (const w of r.warnings ?? []) lines.push(`Note: ${inline(w)}`);
  if (r.outputs?.length) {
    lines.push('', '| output | type | reason |', '|---|---|---|');
    for (const o of r.outputs) lines.push(`| ${inline(o.name)} | ${o.reading} | ${inline(o.why)} |`);
  }
  lines.push(
    '',
    '## How it was made',
    '',
    `Recipe ${inline(r.recipe.name)}: criterion ${inline(r.recipe.criterion)}, allocation ${r.recipe.allocation}, compensation ${r.recipe.compensation}, ` +
      `recovery ${r.recipe.recovery.enabled ? `by distillation, at most ${r.recipe.recovery.seconds} s` : 'off'}.`,
    ...(r.tokens ? [inline(tokenSentences(r.tokens).join(' '))] : []),
    [`${r.blocksRemoved.length} blocks removed`, ...keptByKind(r.groups)].join('; ') + '.',
    'The recipe, the plan (removed channels and blocks) and the full report are in `secateur/`.',
  );
  if (r.skipped.length) {
    lines.push('', 'Not pruned:', '', '| structure | operator | reason |', '|---|---|---|');
    for (const s of r.skipped.slice(0, 50))
      lines.push(`| ${inline(s.group)} | ${inline(s.operator)} | ${inline(s.reason)} |`);
    if (r.skipped.length > 50) lines.push(`| and ${r.skipped.length - 50} more | | |`);
  }
  lines.push(
    '',
    '## Use',
    '',
    '```',
    'pip install onnxruntime numpy pillow',
    'python run.py              # replays the golden inputs',
    'python run.py IMAGE        # classifies an image',
    'python run.py SAMPLES.npz  # runs arrays that are called like the inputs',
    '```',
    '',
  );
  lines.push(
    c.preprocess
      ? 'Preprocessing is in `secateur/preprocess.json` (order: resize, crop, channel order, rescale, mean, std, layout).'
      : 'This bundle has no preprocessing: inputs were used unchanged.',
  );
  if (c.classes !== null) lines.push(`\`secateur/labels.txt\` names the ${c.classes} classes, one per line.`);
  lines.push(
    '',
    '`secateur verify` checks this bundle: hashes, golden outputs, latency.',
    '',
    '## Limits',
    '',
    'Accuracy on other data is unknown. Pruning can change rare classes more than the average. Biases of the original remain.',
    '',
    '## Licence',
    '',
    inline(c.licence),
  );
  if (r.notes.length) lines.push('', '## Notes', '', ...r.notes.map((n) => `- ${inline(n)}`));
  return `${lines.join('\n')}\n`;
}

/** `channels kept: 12 of 16 in 1 group`, for each kind. */
function keptByKind(groups: CompressReport['groups']): string[] {
  const sum = (list: CompressReport['groups'], of: 'kept' | 'units'): number => list.reduce((n, g) => n + g[of], 0);
  return [...Map.groupBy(groups, (g) => g.kind ?? 'channels')].map(
    ([kind, of]) =>
      `${kind} kept: ${sum(of, 'kept')} of ${sum(of, 'units')} in ${of.length} ${of.length === 1 ? 'group' : 'groups'}`,
  );
}
