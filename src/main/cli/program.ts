/** The commands and their options. Each command builds a request, follows its job and prints the report. */
import { Command } from 'commander';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { FewerTokensReport } from '../../shared/model/fewer-tokens.ts';
import type { CompressReport } from '../../shared/model/job.ts';
import { PRESET_LIST } from '../../shared/model/preprocess-presets.ts';
import type { PackageReport, WorkloadReport } from '../../shared/model/package.ts';
import type { PackageBudgetReport } from '../../shared/model/package-budget.ts';
import { READINGS } from '../../shared/model/readings.ts';
import type { BenchReport, CompareReport, InspectReport } from '../../shared/model/tasks.ts';
import {
  benchRequest,
  compareRequest,
  compressRequest,
  inspectRequest,
  isPackage,
  packageRequest,
  verifyRequest,
  workloadRequest,
} from '../services/requests.ts';
import type { MeasureOptions, SourceOptions } from '../services/requests.ts';
import { packageBudgetRequest, type PackageBudgetOptions } from '../services/package-budget-request.ts';
import { addCoverageCommand } from './coverage-command.ts';
import { EXIT } from './exit-codes.ts';
import { addJobCommands } from './job-commands.ts';
import {
  decibels,
  dim,
  fraction,
  outputReading,
  percentile,
  seconds,
  several,
  wholeNumber,
  workloadSetting,
} from './options.ts';
import { renderBench, renderCompare, renderCompress, renderDevices, renderInspect } from './render.ts';
import { renderPackage, renderWorkload } from './render-package.ts';
import { addRunCommand } from './run-command.ts';
import { renderPackageBudget } from './render-package-budget.ts';
import { renderTokens } from './render-tokens.ts';
import { addTokensCommand } from './tokens-command.ts';
import { renderVerify } from './render-verify.ts';
import type { VerifyOutput } from './render-verify.ts';
import type { Session } from './session.ts';

const PREPROCESS = `preprocessing JSON, or ${PRESET_LIST.map((p) => p.name).join(', ')}`;
const OUTPUT = `type of an output (repeatable): ${READINGS.join(', ')}`;

const WORKLOAD = 'setting of the workload of a package, such as tokens=64 (repeatable)';

interface Uses {
  readonly workload?: Readonly<Record<string, number>>;
}

function oneModel({ workload }: Uses): void {
  if (workload)
    throw new SecateurError('usage', {
      reason: '--workload needs the folder of a package, and this is a single model',
    });
}

interface Json {
  readonly json?: boolean;
}

interface Dims {
  /**
   * Sizes of dynamic axes by name, from --dim; commander derives the key from the option's name.
   */
  readonly dim?: Readonly<Record<string, number>>;
}

/**
 * Builds the program. `parse` rejects with CommanderError on a usage error; commander itself prints
 * only help to stdout.
 */
export function buildProgram(session: Session, version: string): Command {
  const program = new Command('secateur')
    .description('Prunes ONNX models until they meet a measured latency budget.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => session.io.out(text),
      writeErr: (text) => session.io.err(text),
      // Usage errors are printed once, in the same form as all other errors.
      outputError: () => undefined,
    })
    .showSuggestionAfterError()
    .addHelpText('after', '\nExit codes and files: docs/cli.md');

  program
    .command('inspect')
    .description('Show the structure of a model, its prunable groups and the operators that block pruning')
    .argument('<model>', 'ONNX file, or the folder of a package')
    .option('--workload <name=value>', WORKLOAD, workloadSetting)
    .option('--dim <name=size>', 'size of a dynamic axis of the inputs (repeatable)', dim)
    .option('--data <path>', 'data for the original model: folder, table (CSV or TSV), .npy or .npz')
    .option('--labels <file>', 'labels of the data')
    .option('--preprocess <file|preset>', PREPROCESS)
    .option('--output <name=reading>', OUTPUT, outputReading)
    .option('--json', 'print one JSON document')
    .action(async (model: string, o: Json & Dims & Uses & SourceOptions & { data?: string }) => {
      if (isPackage(model, session.io.cwd)) {
        const request = packageRequest(model, o, session.io.cwd);
        const handle = session.services.jobs.transient('package', request, session.listeners());
        const report = await session.follow<PackageReport>(handle);
        return session.print(o.json, report, () => renderPackage(report));
      }
      oneModel(o);
      const request = inspectRequest(model, o, session.io.cwd);
      const handle = session.services.jobs.transient('inspect', request, session.listeners());
      const report = await session.follow<InspectReport>(handle);
      session.print(o.json, report, () => renderInspect(report));
    });

  measured(program.command('bench'))
    .description('Measure the latency of a model, or of one use of a package, on this machine')
    .argument('<model>', 'ONNX file, or the folder of a package')
    .option('--vs <other>', 'measure another model interleaved with it')
    .option('--workload <name=value>', WORKLOAD, workloadSetting)
    .action(async (model: string, o: Json & MeasureOptions & Uses & { vs?: string }) => {
      if (isPackage(model, session.io.cwd)) {
        if (o.vs !== undefined)
          throw new SecateurError('usage', { reason: '--vs compares two models, and this is the folder of a package' });
        const request = workloadRequest(model, o, session.io.cwd);
        const handle = session.services.jobs.start('workload', request, session.listeners());
        const report = await session.follow<WorkloadReport>(handle);
        return session.print(o.json, report, () => renderWorkload(report));
      }
      oneModel(o);
      const request = benchRequest(model, o.vs, o, session.io.cwd);
      const report = await session.follow<BenchReport>(
        session.services.jobs.start('bench', request, session.listeners()),
      );
      session.print(o.json, report, () => renderBench(report));
    });

  measured(program.command('compress'))
    .description('Prune a model until its measured latency is within the budget')
    .argument('<model>', 'ONNX file, or the folder of a package')
    .requiredOption('--budget <budget>', 'milliseconds (12ms) or share of the measured latency (0.5x, 50%)')
    .option('--component <id>', 'of a package: the component that is pruned; the budget is for one use of the package')
    .option(
      '--image <path>',
      'of a package: picture, or folder of pictures, for a budget on all of it (repeatable)',
      several,
    )
    .option('--prompt <text>', 'prompt for every picture (repeatable)', several)
    .option('--questions <file>', 'in the place of --image and --prompt: a file of questions (docs/tokens.md)')
    .option('--tokens <method>', 'of a package: how visual tokens may be reduced: auto, none, or a method of `tokens`')
    .option('--metric <name>', 'of a package: what the budget is for, such as total, per-token or per-step')
    .option('--workload <name=value>', WORKLOAD, workloadSetting)
    .option('--percentile <p>', 'percentile that must be within the budget: 50, 90, 95 or 99', percentile)
    .option('--device <id>', 'device to measure on (see `devices list`)')
    .option('--data <path>', 'calibration data for the inputs of the model: folder, table (CSV or TSV), .npy or .npz')
    .option('--labels <file>', 'labels of the data')
    .option('--preprocess <file|preset>', PREPROCESS)
    .option('--output <name=reading>', OUTPUT, outputReading)
    .option('--min-agreement <share>', 'minimum agreement with the original (F1 of boxes or masks, cosine)', fraction)
    .option('--max-drop <share>', 'maximum drop in top-1 accuracy; needs labels', fraction)
    .option('--min-psnr <dB>', 'minimum PSNR against the original, for outputs that are images', decibels)
    .option('--recipe <name|file>', 'fast, balanced, best, or a recipe file')
    .option('--time-limit <seconds>', 'time limit of recovery; 0 turns recovery off', seconds)
    .option('--out <dir>', 'folder for the results')
    .option('--seed <n>', 'seed of every random choice', wholeNumber(0, 2 ** 31 - 1))
    .action(async (model: string, o: Json & Omit<PackageBudgetOptions, 'device'> & { device?: string }) => {
      const whole = packageBudgetRequest(model, o, session.io.cwd);
      if (whole) {
        const handle = session.services.jobs.start('package-budget', whole, session.listeners());
        session.note(`job ${handle.id}`);
        return printPackageBudget(session, o.json, await session.follow<PackageBudgetReport>(handle));
      }
      // Checked before anything starts, so that a typing error costs no time.
      compressRequest(model, { ...o, device: '' }, session.io.cwd);
      const device = await session.services.devices.resolve(o.device);
      session.checkpoint();
      const request = compressRequest(model, { ...o, device: device.id }, session.io.cwd);
      const handle = session.services.jobs.start('compress', request, session.listeners());
      session.note(`job ${handle.id}`);
      printCompress(session, o.json, await session.follow<CompressReport>(handle));
    });

  measured(program.command('compare'))
    .description('Compare a pruned model with the original on data')
    .argument('<original>', 'ONNX file')
    .argument('<pruned>', 'ONNX file')
    .requiredOption('--data <path>', 'data: folder, table (CSV or TSV), .npy or .npz')
    .option('--labels <file>', 'labels of the data')
    .option('--preprocess <file|preset>', PREPROCESS)
    .option('--output <name=reading>', OUTPUT, outputReading)
    .action(async (original: string, pruned: string, o: Json & MeasureOptions & SourceOptions & { data: string }) => {
      const request = compareRequest(original, pruned, o, session.io.cwd);
      const handle = session.services.jobs.start('compare', request, session.listeners());
      const report = await session.follow<CompareReport>(handle);
      session.print(o.json, report, () => renderCompare(report));
    });

  addCoverageCommand(program, session);
  addRunCommand(program, session);
  addTokensCommand(program, session);

  program
    .command('verify')
    .description('Check a bundle: hashes, golden outputs, latency')
    .argument('<bundle>', 'bundle folder or zip')
    .option('--dim <name=size>', 'size of a dynamic axis of the inputs (repeatable)', dim)
    .option('--json', 'print one JSON document')
    .action(async (bundle: string, o: Json & Dims) => {
      const request = verifyRequest(bundle, o, session.io.cwd);
      const handle = session.services.jobs.start('verify', request, session.listeners());
      printVerify(session, o.json, await session.follow<VerifyOutput>(handle));
    });

  program
    .command('serve')
    .description('Open the window in a browser; only this machine can reach it')
    .option('--port <n>', 'port to listen on (default: the last one, or a free port)', wholeNumber(0, 65_535), 0)
    .option('--json', 'print one JSON document with the address')
    .action(async (o: Json & { port: number }) => {
      await session.serve(o.port, (url) =>
        session.print(o.json, { url }, () => `Secateur is open at ${url}\nPress Ctrl-C to stop.\n`),
      );
    });

  addJobCommands(program, session, (kind, json, result) => {
    if (kind === 'compress') printCompress(session, json, result as CompressReport);
    else if (kind === 'package-budget') printPackageBudget(session, json, result as PackageBudgetReport);
    else if (kind === 'verify') printVerify(session, json, result as VerifyOutput);
    else if (kind === 'compare') session.print(json, result, () => renderCompare(result as CompareReport));
    else if (kind === 'bench') session.print(json, result, () => renderBench(result as BenchReport));
    else if (kind === 'tokens') session.print(json, result, () => renderTokens(result as FewerTokensReport));
    else if (kind === 'workload') session.print(json, result, () => renderWorkload(result as WorkloadReport));
    else session.print(json, result, () => `${JSON.stringify(result, null, 2)}\n`);
  });

  const devices = program.command('devices').description('Devices for latency budgets');
  devices
    .command('list', { isDefault: true })
    .description('List this machine and the known device profiles')
    .option('--json', 'print one JSON document')
    .action(async (o: Json) => {
      const list = await session.services.devices.list();
      session.print(o.json, { devices: list }, () => renderDevices(list));
    });

  return program;
}

function measured(command: Command): Command {
  return command
    .option('--provider <name>', 'execution provider', 'cpu')
    .option('--threads <n>', 'threads of the runtime', wholeNumber(1, 1024), 1)
    .option('--batch <n>', 'batch size', wholeNumber(1, 4096), 1)
    .option('--dim <name=size>', 'size of a dynamic axis of the inputs (repeatable)', dim)
    .option('--runs <n>', 'number of runs of each latency measurement', wholeNumber(5, 100_000))
    .option('--json', 'print one JSON document');
}

function printCompress(session: Session, json: boolean | undefined, report: CompressReport): void {
  session.print(json, report, () => renderCompress(report, session.io.colours));
  // A ruined or unjudged result is worse than a slow one and counts as one more reason.
  const reasons = (report.reasons?.length ?? 0) - (report.met ? 0 : 1);
  session.exitCode = reasons > 0 ? EXIT.notAccepted : report.met ? EXIT.ok : EXIT.budgetNotMet;
}

function printPackageBudget(session: Session, json: boolean | undefined, report: PackageBudgetReport): void {
  session.print(json, report, () => renderPackageBudget(report));
  const reasons = report.reasons.length - (report.met ? 0 : 1);
  session.exitCode = reasons > 0 ? EXIT.notAccepted : report.met ? EXIT.ok : EXIT.budgetNotMet;
}

function printVerify(session: Session, json: boolean | undefined, report: VerifyOutput): void {
  session.print(json, report, () => renderVerify(report));
  session.exitCode = report.ok ? EXIT.ok : EXIT.verifyFailed;
}
