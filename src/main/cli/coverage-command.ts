/**
 * `secateur coverage`: one worker process per model, so that a model that cannot be opened, or
 * crashes its worker, costs only its own row.
 */
import type { Command } from 'commander';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { CoverageRequest, CoverageRow } from '../../shared/model/tasks.ts';
import { coverageRequests } from '../services/requests.ts';
import { percent, table } from './format.ts';
import { dim, share } from './options.ts';
import type { Session } from './session.ts';

interface Options {
  readonly json?: boolean;
  readonly ratio: number;
  readonly dim?: Readonly<Record<string, number>>;
}

export function addCoverageCommand(program: Command, session: Session): void {
  program
    .command('coverage')
    .description('Prune the same share of every group of many models, and check the result and its latency')
    .argument('<path...>', 'ONNX files, and folders of them')
    .option('--ratio <share>', 'share of the units to remove from every group', share, 0.3)
    .option('--dim <name=size>', 'size of a dynamic axis of the inputs (repeatable)', dim)
    .option('--json', 'print one JSON document')
    .action(async (paths: string[], o: Options) => {
      const requests = coverageRequests(paths, o, session.io.cwd);
      const rows: CoverageRow[] = [];
      for (const [i, request] of requests.entries()) {
        session.checkpoint();
        const row = await rowOf(session, request);
        rows.push(row);
        session.note(`${i + 1}/${requests.length} ${row.name}: ${row.ok ? 'ok' : row.problems.join('; ')}`);
      }
      session.print(o.json, rows, () => renderCoverage(rows));
    });
}

async function rowOf(session: Session, request: CoverageRequest): Promise<CoverageRow> {
  const started = performance.now();
  try {
    return await session.follow<CoverageRow>(session.services.jobs.transient('coverage', request, session.listeners()));
  } catch (e) {
    if (!(e instanceof SecateurError) || e.code === 'cancelled') throw e;
    return {
      name: request.name,
      ratio: request.ratio,
      ok: false,
      groups: 0,
      prunableShare: 0,
      frozen: [],
      maskError: null,
      macsRatio: null,
      latencyRatio: null,
      holds: [],
      problems: [`${e.message} (${e.code})`],
      notes: [],
      sizes: [],
      seconds: (performance.now() - started) / 1000,
    };
  }
}

export function renderCoverage(rows: readonly CoverageRow[]): string {
  const figure = (x: number | null, digits = 2): string => (x === null ? '-' : x.toFixed(digits));
  const reasons = new Map<string, number>();
  for (const r of rows)
    for (const { operator, reason } of r.frozen) {
      const key = `${operator.split(' ')[0]}: ${reason}`;
      reasons.set(key, (reasons.get(key) ?? 0) + 1);
    }
  const frozen = [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 20);
  const failed = rows.filter((r) => !r.ok);
  const slow = rows.filter((r) => r.holds.length > 0);
  return [
    table([
      ['model', 'ok', 'groups', 'prunable', 'frozen', 'mask error', 'MACs', 'latency', 'seconds'],
      ...rows.map((r) => [
        r.name,
        r.ok ? 'yes' : 'NO',
        String(r.groups),
        percent(r.prunableShare, 0),
        String(r.frozen.length),
        r.maskError === null ? '-' : r.maskError.toExponential(1),
        figure(r.macsRatio),
        figure(r.latencyRatio),
        figure(r.seconds, 1),
      ]),
    ]),
    `\n${rows.length - failed.length} of ${rows.length} models are right with ${percent(rows[0]?.ratio ?? 0, 0)} of every group removed.\n`,
    ...failed.map((r) => `  ${r.name}: ${r.problems.join('; ')}\n`),
    ...rows.flatMap((r) => r.notes.map((n) => `  ${r.name} ${n}\n`)),
    ...slow.map(
      (r) => `  ${r.name} is not clearly faster; slowest operators: ${r.holds.map((h) => h.operator).join(', ')}\n`,
    ),
    frozen.length ? `\nnot pruned, and the reason:\n${table(frozen.map(([why, n]) => [`  ${why}`, String(n)]))}` : '',
  ].join('');
}
