/** Renders packages and workloads as text. */
import type { PackageReport, Workload, WorkloadReport } from '../../shared/model/package.ts';
import { bytes, count, milliseconds, percent, table } from './format.ts';
import { notes, port } from './render.ts';

export function renderPackage(r: PackageReport): string {
  let text = table(
    [
      ['package', r.path],
      ['family', r.family],
      ['files', bytes(r.bytes)],
      ['one use', r.workload.about],
      ['settings', settingsOf(r.workload)],
    ],
    [0, 1],
  );
  text += `\n${table(
    [
      ['component', 'role', 'nodes', 'MACs', 'parameters', 'groups', 'blocks', 'prunable'],
      ...r.components.map(({ id, role, report }) => [
        id,
        role,
        ...(report
          ? [
              String(report.nodes),
              count(report.macs),
              count(report.params),
              String(report.groups.length),
              String(report.blocks.length),
              percent(report.prunableShare, 0),
            ]
          : ['-', '-', '-', '-', '-', '-']),
      ]),
    ],
    [0, 1],
  )}`;
  for (const { id, report, error, variants } of r.components) {
    text += `\n${id}\n`;
    if (variants.length > 0) text += `  other forms: ${variants.join(', ')}\n`;
    if (error !== undefined) text += `  not inspected: ${error}\n`;
    if (report) {
      text += `  inputs:  ${report.inputs.map(port).join(', ')}\n`;
      text += `  outputs: ${report.outputs.map(port).join(', ')}\n`;
      for (const note of report.notes) text += `  ${note}\n`;
    }
  }
  return text + notes(r.notes);
}

export function renderWorkload(r: WorkloadReport): string {
  const total = r.metrics[0]!;
  let text = `${r.workload.about} (${settingsOf(r.workload)})\n\n`;
  text += table(
    [
      ['phase', 'component', 'runs', 'p50', 'p95', 'noise', 'together', ''],
      ...r.phases.map((p) => [
        p.name,
        p.component,
        String(p.repeat),
        ...[p.latency.p50Ms, p.latency.p95Ms, p.latency.noiseMs, p.repeat * p.latency.p50Ms].map(milliseconds),
        percent((p.repeat * p.latency.p50Ms) / total.ms, 0),
      ]),
    ],
    [0, 1],
  );
  text += `\n${table([['metric', 'time', '+-', ''], ...r.metrics.map((m) => [m.name, milliseconds(m.ms), milliseconds(m.noiseMs), m.about])], [0, 3])}`; // prettier-ignore
  const first = r.phases[0]?.latency;
  const least = Math.min(...r.phases.map((p) => p.latency.runs));
  if (first)
    text += `measured with ${first.provider}, ${first.threads} ${first.threads === 1 ? 'thread' : 'threads'}, ${least} runs of each phase at least; ${r.provenance.processor}; ${r.provenance.runtime}\n`;
  return text + notes(r.notes);
}

const settingsOf = ({ settings }: Workload): string =>
  Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ') || 'none';
