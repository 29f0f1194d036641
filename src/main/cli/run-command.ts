/** `secateur run`: an answer on standard output while it is written, then the time of each phase. */
import type { Command } from 'commander';
import type { RunReport } from '../../shared/model/generate.ts';
import { runRequest, type RunOptions } from '../services/run-request.ts';
import { milliseconds, table } from './format.ts';
import { above, textList, topShare, wholeNumber } from './options.ts';
import { notes } from './render.ts';
import type { Session } from './session.ts';

export function addRunCommand(program: Command, session: Session): void {
  program
    .command('run')
    .description('Run a package: answer a prompt, or compare a picture with texts')
    .argument('<package>', 'folder of a package, or an ONNX file')
    .option('--image <file>', 'picture')
    .option('--prompt <text>', 'prompt')
    .option('--texts <a,b,c>', 'of a dual encoder: texts that the picture is compared with', textList)
    .option('--tokens <n>', 'most tokens of the answer', wholeNumber(1, 100_000))
    .option('--sample', 'draw tokens at random instead of taking the most probable one')
    .option('--temperature <t>', 'with --sample: 1 draws as the model says, less is more certain', above)
    .option('--top-k <k>', 'with --sample: only the k most probable tokens; 0: all', wholeNumber(0, 1_000_000))
    .option('--top-p <p>', 'with --sample: only the most probable tokens with this sum', topShare)
    .option('--seed <n>', 'with --sample: seed', wholeNumber(0, 2 ** 31 - 1))
    .option('--provider <name>', 'execution provider', 'cpu')
    .option('--threads <n>', 'threads of the runtime', wholeNumber(1, 1024), 1)
    .option('--json', 'print one JSON document')
    .action(async (path: string, o: RunOptions & { json?: boolean }) => {
      const request = runRequest(path, o, session.io.cwd);
      let written = '';
      const onText = (piece: string): void => {
        session.progress.clear();
        written += piece;
        session.io.out(piece);
      };
      const listeners = { ...session.listeners(), ...(o.json ? {} : { onText }) };
      const report = await session.follow<RunReport>(session.services.jobs.transient('run', request, listeners));
      session.print(o.json, report, () => (written === '' ? '' : '\n') + renderRun(report));
    });
}

const STOPS = {
  end: 'the model ended it',
  tokens: 'as many as asked for',
  positions: 'the package has no more positions',
  cancelled: 'cancelled',
} as const;

/** Everything but the answer itself, which was printed while it was written. */
function renderRun(r: RunReport): string {
  const phases = table([
    ['phase', 'runs', 'each', 'together'],
    ...r.phases.map((p) => [p.name, String(p.repeat), milliseconds(p.ms / p.repeat), milliseconds(p.ms)]),
  ]);
  if (r.kind === 'scores')
    return `${table(r.scores.map(({ text, score }) => [text, score.toFixed(4)]))}\n${phases}${notes(r.notes)}`;
  const picture = r.imageTokens > 0 ? `, picture ${r.imageTokens}` : '';
  const counts = `tokens: prompt ${r.promptTokens}${picture}, answer ${r.ids.length} (${STOPS[r.stop]})\n`;
  return `\n${phases}${counts}${notes(r.notes)}`;
}
