/** Renders reports as text. */
import type { CompressReport, ModelMeasure, Quality, WorkloadResult } from '../../shared/model/job.ts';
import type { JobRecord } from '../../shared/model/job-record.ts';
import type { BenchReport, CompareReport, InspectReport, Port } from '../../shared/model/tasks.ts';
import type { DeviceProfile, GroupInfo, LatencyStats, Skipped } from '../../shared/model/types.ts';
import { tokenSentences } from '../../shared/model/token-words.ts';
import { figureName, interval, renderMeanings, renderOriginal, renderVerdict } from './render-quality.ts';
import { bytes, count, duration, milliseconds, percent, table } from './format.ts';

export const port = (p: Port): string => `${p.name}: ${p.dtype}[${p.shape.join(', ')}]`;

export function renderInspect(r: InspectReport): string {
  const opsets = Object.entries(r.opsets).map(([domain, v]) => `${domain === '' ? 'ai.onnx' : domain} ${v}`);
  const assumed = Object.entries(r.assumed).map(([name, size]) => `${name} = ${size}`);
  let text = table(
    [
      ['model', r.model],
      ['family', r.family],
      ['operator sets', opsets.join(', ')],
      ['inputs', r.inputs.map(port).join(', ')],
      ['outputs', r.outputs.map(port).join(', ')],
      ['nodes', String(r.nodes)],
      ['MACs', `${count(r.macs)}${assumed.length > 0 ? ` (with ${assumed.join(', ')})` : ''}`],
      ['parameters', count(r.params)],
      ['file size', bytes(r.bytes)],
      ['groups', `${r.groups.length} with ${r.groups.reduce((sum, g) => sum + g.units, 0)} units`],
      ['residual blocks', String(r.blocks.length)],
    ],
    [0, 1],
  );
  text += `\n${table([
    ['operator', 'count', 'MACs', 'parameters', ''],
    ...r.operators.map((o) => [o.operator, String(o.count), count(o.macs), count(o.params), o.known ? '' : 'no rules']),
  ])}`;
  if (r.groups.length > 0) {
    text += `\n${table([
      ['group', 'units', 'parameters per unit', 'nodes', 'unit'],
      ...r.groups.map((g) => [g.id, String(g.units), count(g.paramsPerUnit), String(g.nodes.length), unitOf(g)]),
    ])}`;
  }
  text += renderMeanings(r.meanings);
  if (r.original) text += renderOriginal(r.original);
  return text + renderSkipped(r.skipped) + notes(r.notes);
}

export function renderBench(r: BenchReport): string {
  const models = [{ model: r.model, latency: r.latency }, ...(r.vs ? [r.vs] : [])];
  let text = table([
    ['model', 'p50', 'p90', 'p95', 'p99', 'min', 'noise', 'runs'],
    ...models.map(({ model, latency: l }) => [
      fileName(model),
      ...[l.p50Ms, l.p90Ms, l.p95Ms, l.p99Ms, l.minMs, l.noiseMs].map(milliseconds),
      String(l.runs),
    ]),
  ]);
  text += `${conditions(r.latency)}; ${r.provenance.processor}; ${r.provenance.runtime}\n`;
  if (r.vs) text += `${speedup(r.speedup, fileName(r.model), fileName(r.vs.model))}\n`;
  return text + notes(r.notes);
}

export function renderCompare(r: CompareReport): string {
  const text = measures(r.original, r.pruned) + `${conditions(r.pruned)}\n`;
  return text + renderMeanings(r.outputs) + notes(r.notes);
}

/** @param colours whether the terminal shows colours */
export function renderCompress(r: CompressReport, colours = false): string {
  let text = `\n${renderVerdict(r, colours)}`;
  if (r.result) text += measures(r.baseline, r.result);
  else text += `measured latency of the original: ${milliseconds(r.baseline.p50Ms)} (p50)\n`;
  text += `${conditions(r.baseline)}\n\n`;
  if (r.compensated && r.result?.quality) {
    text += `before recovery: ${quality(r.compensated)}\n`;
  }
  if (r.workload) text += `${workloadLine(r.workload)}\n${phaseTable(r.workload)}the component's share of it: `;
  text += `${budgetLine(r)}\n`;
  if (r.unreachable) {
    text += `The budget cannot be reached: ${r.unreachable.reason}\n`;
    const { use } = r.unreachable;
    if (use)
      text += `One use of the package: ${use.metric} takes ${milliseconds(use.beforeMs)} now and ${milliseconds(use.bestMs)} at best, and the budget is ${milliseconds(use.budgetMs)}.\n`;
    text += `The lowest possible latency${use ? ` of ${use.component}` : ''} is about ${milliseconds(r.unreachable.bestMs)}. Slowest operators:\n`;
    text += table(r.unreachable.holds.map((h) => [`  ${h.operator}`, milliseconds(h.ms)]));
  }
  if (r.tokens) text += `${tokenSentences(r.tokens).join('\n')}\n`;
  if (r.blocksRemoved.length > 0) text += `blocks removed: ${r.blocksRemoved.join(', ')}\n`;
  const cut = r.groups.filter((g) => g.kept < g.units);
  if (cut.length > 0) {
    text += `\n${table([
      ['group', 'units', 'kept', '', 'unit'],
      ...cut.map((g) => [g.id, String(g.units), String(g.kept), percent(g.kept / g.units, 0), unitOf(g)]),
    ])}`;
  }
  text += renderMeanings(r.outputs) + renderSkipped(r.skipped) + notes(r.notes);
  if (r.model) text += `\nmodel   ${r.model}\n`;
  if (r.bundle) text += `bundle  ${r.bundle}\n`;
  const seconds = Object.values(r.seconds).reduce((a, b) => a + b, 0);
  return `${text}job     ${r.job} (${duration(seconds * 1000)})\n`;
}

/** The word for one unit. Older reports contain channels only. */
const unitOf = (g: GroupInfo): string => g.unit ?? 'channel';

const phaseTable = ({ phases }: WorkloadResult): string =>
  table(
    [
      ['  phase', 'component', 'runs', 'before', 'after'],
      ...phases.map((p) => [`  ${p.name}`, p.component, String(p.weight), milliseconds(p.beforeMs), milliseconds(p.afterMs)]), // prettier-ignore
    ],
    [0, 1],
  );

function workloadLine(w: WorkloadResult): string {
  const { low, high } = w.latency;
  const share = `${percent(low, 1)} to ${percent(high, 1)} of the budget`;
  return `${w.about}: ${w.metric} ${milliseconds(w.beforeMs)} -> ${milliseconds(w.afterMs)}, budget ${milliseconds(w.budgetMs)} (${share})`;
}

function renderSkipped(skipped: readonly Skipped[]): string {
  if (skipped.length === 0) return '';
  const shown = skipped.slice(0, 30);
  const rest = skipped.length - shown.length;
  return (
    `\nnot pruned:\n${table(
      shown.map((s) => [`  ${s.group}`, s.operator, s.reason]),
      [0, 1, 2],
    )}` + (rest > 0 ? `  and ${rest} more (--json lists all)\n` : '')
  );
}

export function renderJobs(jobs: readonly JobRecord[]): string {
  if (jobs.length === 0) return 'There are no jobs yet.\n';
  return table(
    [
      ['job', 'kind', 'status', 'done', 'started', 'model'],
      ...jobs.map((j) => [
        j.id,
        j.kind,
        j.status,
        j.status === 'done' ? '100%' : j.progress ? percent(j.progress.fraction, 0) : '',
        new Date(j.createdAt).toISOString().slice(0, 16).replace('T', ' '),
        fileName(subjectOf(j.request)),
      ]),
    ],
    [0, 1, 2, 4, 5],
  );
}

export function renderJob(j: JobRecord): string {
  const rows = [
    ['job', j.id],
    ['kind', j.kind],
    ['status', j.status],
    ['model', subjectOf(j.request)],
    ['created', new Date(j.createdAt).toISOString()],
    ['attempts', String(j.attempts)],
  ];
  if (j.ownerPid !== null) rows.push(['process', String(j.ownerPid)]);
  if (j.finishedAt !== null && j.startedAt !== null) rows.push(['took', duration(j.finishedAt - j.startedAt)]);
  if (j.progress && j.status !== 'done')
    rows.push(['reached', `${percent(j.progress.fraction, 0)}, ${j.progress.stage}`]);
  if (j.error) rows.push(['error', `${j.error.message} ${j.error.remedy} (${j.error.code})`]);
  return table(rows, [0, 1]);
}

export function renderDevices(devices: readonly DeviceProfile[]): string {
  return table(
    [
      ['device', 'kind', 'cores', 'providers', 'runtime', 'processor'],
      ...devices.map((d) => [d.id, d.kind, String(d.cores), d.providers.join(', '), d.runtime, d.processor]),
    ],
    [0, 1, 3, 4, 5],
  );
}

function measures(before: ModelMeasure, after: ModelMeasure): string {
  const rows = [
    ['', 'original', 'pruned', 'change', '95 % interval'],
    ['latency p50', milliseconds(before.p50Ms), milliseconds(after.p50Ms), ratio(after.p50Ms, before.p50Ms)],
    ['latency p95', milliseconds(before.p95Ms), milliseconds(after.p95Ms), ratio(after.p95Ms, before.p95Ms)],
    ['parameters', count(before.params), count(after.params), ratio(after.params, before.params)],
    ['MACs', count(before.macs), count(after.macs), ratio(after.macs, before.macs)],
    ['file size', bytes(before.bytes), bytes(after.bytes), ratio(after.bytes, before.bytes)],
  ];
  const a = before.quality;
  const b = after.quality;
  const shares = [
    ['top-1', a?.top1, b?.top1, b?.top1Interval],
    ['top-5', a?.top5, b?.top5, undefined],
    [b ? figureName(b) : '', a?.agreement, b?.agreement, b?.agreementInterval],
  ] as const;
  for (const [name, x, y, i] of shares) {
    if (y === undefined) continue;
    const points = x === undefined ? '' : `${y >= x ? '+' : '-'}${Math.abs((y - x) * 100).toFixed(1)} pts`;
    rows.push([name, x === undefined ? '' : percent(x), percent(y), points, interval(i)]);
  }
  if (b && b.snrDb !== null) rows.push(['signal to noise', '', `${b.snrDb.toFixed(1)} dB`, '']);
  if (b && b.psnrDb !== undefined)
    rows.push(['PSNR', '', b.psnrDb === null ? 'exact' : `${b.psnrDb.toFixed(1)} dB`, '']);
  if (b) rows.push(['samples', '', String(b.samples), '']);
  return table(rows.map((r) => (r.length < 5 ? [...r, ''] : r)));
}

function budgetLine(r: CompressReport): string {
  const budget = `budget ${milliseconds(r.budgetMs)}`;
  if (!r.result) return `${budget}: not met`;
  if (!r.latency) return `${budget}: ${r.met ? 'met' : 'not met'}`;
  const { verdict, low, high } = r.latency;
  const words = { met: 'met', missed: 'missed', 'too-close': 'too close to call' }[verdict];
  return `${budget}: ${words} (${percent(low)} to ${percent(high)} of it, 95 % interval)`;
}

function quality(q: Quality): string {
  const parts: string[] = [];
  if (q.top1 !== undefined) parts.push(`top-1 ${percent(q.top1)}`);
  if (q.agreement !== undefined) parts.push(`${figureName(q)} ${percent(q.agreement)}`);
  if (q.snrDb !== null) parts.push(`signal to noise ${q.snrDb.toFixed(1)} dB`);
  return parts.join(', ');
}

function conditions(l: LatencyStats): string {
  const threads = l.threads === 1 ? '1 thread' : `${l.threads} threads`;
  return `measured with ${l.provider}, ${threads}, batch ${l.batch}, ${l.runs} runs, noise ${milliseconds(l.noiseMs)}`;
}

function speedup(factor: number | null, a: string, b: string): string {
  if (factor === null) return `${a} and ${b} are equally fast: the difference is below the noise`;
  return factor >= 1
    ? `${a} is ${factor.toFixed(2)} times as fast as ${b}`
    : `${b} is ${(1 / factor).toFixed(2)} times as fast as ${a}`;
}

function ratio(after: number, before: number): string {
  return before > 0 ? `${(after / before).toFixed(2)}x` : '';
}

export function notes(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `\n${lines.map((l) => `note: ${l}\n`).join('')}`;
}

function subjectOf(request: unknown): string {
  const r = request as Record<string, unknown> | null;
  return String(r?.['model'] ?? r?.['original'] ?? r?.['bundle'] ?? r?.['package'] ?? '');
}

function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}
