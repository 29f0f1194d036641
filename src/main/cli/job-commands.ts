/** `secateur jobs ...`: lists, shows, resumes and cancels jobs. */
import type { Command } from 'commander';
import { wholeNumber } from './options.ts';
import { bytes } from './format.ts';
import { renderJob, renderJobs } from './render.ts';
import type { Session } from './session.ts';

interface Json {
  readonly json?: boolean;
}

/**
 * Adds the job commands. `printResult` prints the report of a finished job in the same form as the
 * command that started it.
 */
export function addJobCommands(
  program: Command,
  session: Session,
  printResult: (kind: string, json: boolean | undefined, result: unknown) => void,
): void {
  const jobs = program.command('jobs').description('Jobs that are running or have ended');

  jobs
    .command('list', { isDefault: true })
    .description('List jobs, newest first')
    .option('--limit <n>', 'number of jobs', wholeNumber(1, 10_000), 20)
    .option('--json', 'print one JSON document')
    .action((o: Json & { limit: number }) => {
      const list = session.services.jobs.list(o.limit);
      session.print(o.json, { jobs: list }, () => renderJobs(list));
    });

  jobs
    .command('show')
    .description('Show a job and its result')
    .argument('<id>', 'job id, the beginning of one, or "last"')
    .option('--json', 'print one JSON document')
    .action((id: string, o: Json) => {
      const job = session.services.jobs.show(id);
      if (o.json) return session.print(true, job, () => '');
      session.print(false, job, () => renderJob(job));
      if (job.status === 'done') {
        printResult(job.kind, false, job.result);
        // Showing a job whose budget was not met is not a failure.
        session.exitCode = 0;
      }
    });

  jobs
    .command('resume')
    .description('Resume a job that failed, was cancelled or was interrupted')
    .argument('<id>', 'job id, the beginning of one, or "last"')
    .option('--json', 'print one JSON document')
    .action(async (id: string, o: Json) => {
      const { kind } = session.services.jobs.show(id);
      const handle = await session.services.jobs.resume(id, session.listeners());
      session.note(`job ${handle.id}`);
      printResult(kind, o.json, await session.follow(handle));
    });

  jobs
    .command('cancel')
    .description('Cancel a job, including one of another process')
    .argument('<id>', 'job id, the beginning of one, or "last"')
    .option('--json', 'print one JSON document')
    .action(async (id: string, o: Json) => {
      const job = await session.services.jobs.cancel(id);
      session.print(o.json, job, () => renderJob(job));
    });

  jobs
    .command('prune')
    .description('Delete intermediate results that no job has used for some days')
    .option('--days <n>', 'days without use', wholeNumber(0, 36_500), 30)
    .option('--json', 'print one JSON document')
    .action(async (o: Json & { days: number }) => {
      const gone = await session.services.storage.prune(o.days);
      session.print(o.json, gone, () => `removed ${gone.removed} results (${bytes(gone.bytes)})\n`);
    });
}
