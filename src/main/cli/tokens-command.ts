/** `secateur tokens`: a package whose pictures have fewer tokens, or a table of the ways to make one. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { FewerTokensReport, Keep } from '../../shared/model/fewer-tokens.ts';
import { tokensRequest, type TokensOptions } from '../services/tokens-request.ts';
import { heatMapSvg } from './heat-map-svg.ts';
import { above, several, textList, wholeNumber, workloadSetting } from './options.ts';
import { panelsOf } from './render-heat-map.ts';
import { renderTokens } from './render-tokens.ts';
import type { Session } from './session.ts';

export function addTokensCommand(program: Command, session: Session): void {
  program
    .command('tokens')
    .description('Make a package whose pictures have fewer tokens, and measure what that gains and costs')
    .argument('<package>', 'folder of a package')
    .requiredOption(
      '--keep <n|share>',
      'tokens that stay per picture or tile, or behind the last cut of the decoder: a number, or a share such as 0.5x',
      kept,
    )
    .option(
      '--method <name>',
      'how tokens are chosen (docs/tokens.md), pixels for smaller pictures, decoder-feather and others for cuts inside the decoder, or all for a table',
    )
    .option(
      '--layers <list>',
      'layers of the decoder whose input loses tokens, counted from 0, such as 2,4 (default: those of the method)',
      layerList,
    )
    .addOption(
      new Option(
        '--marks <route>',
        'how the decoder learns which tokens are of the picture (default: the one that most runners follow)',
      ).choices(['flag', 'span', 'input']),
    )
    .addOption(
      new Option(
        '--positions <which>',
        'positions of tokens that are selected behind the encoder: kept, as among all tokens, or new (default: kept where possible)',
      ).choices(['kept', 'new']),
    )
    .option('--out <dir>', 'folder of the new package (default: PACKAGE-METHOD here)')
    .option('--image <path>', 'picture, or folder of pictures, on which answers are compared (repeatable)', several)
    .option('--prompt <text>', 'prompt for every picture (repeatable)', several)
    .option('--no-measure', 'write without measuring the latency')
    .option(
      '--questions <file>',
      'questions on which answers are judged: CSV, TSV or JSON lines with image, prompt, answer, kind',
    )
    .option(
      '--localisation <kinds>',
      'kinds of questions that ask where something is (default: where and the like)',
      textList,
    )
    .option('--heat-map <file.svg>', 'draw which regions of the pictures keep their tokens')
    .option(
      '--recover <seconds>',
      'train the new package to answer as the original does (docs/tokens-recovery.md)',
      above,
    )
    .addOption(
      new Option(
        '--recover-by <weights>',
        'weights that are trained: all matrices of the decoder, adapters beside them, or the projector (default: all matrices where memory allows, else adapters)',
      ).choices(['full', 'lora', 'projector']),
    )
    .option('--recover-rank <n>', 'rank of adapters (default: 8)', wholeNumber(1, 4096))
    .option('--recover-alpha <n>', 'factor of adapters, which is divided by their rank (default: 16)', above)
    .option('--workload <name=value>', 'setting of the workload, such as tokens=64 (repeatable)', workloadSetting)
    .option('--provider <name>', 'execution provider', 'cpu')
    .option('--threads <n>', 'threads of the runtime', wholeNumber(1, 1024), 1)
    .option('--json', 'print one JSON document')
    .action(async (path: string, o: TokensOptions & { json?: boolean }) => {
      const request = tokensRequest(path, o, session.io.cwd);
      const report = await session.follow<FewerTokensReport>(
        session.services.jobs.start('tokens', request, session.listeners()),
      );
      session.print(o.json, report, () => renderTokens(report));
      if (o.heatMap !== undefined) await writeHeatMap(resolve(session.io.cwd, o.heatMap), report);
    });
}

/** Whole numbers from 0, separated by commas. */
function layerList(text: string): number[] {
  if (/^\d{1,4}(,\d{1,4})*$/.test(text)) return text.split(',').map(Number);
  throw new InvalidArgumentError('It must be a list of layers, such as 2,4.');
}

/** @throws 'file-unwritable' */
async function writeHeatMap(path: string, report: FewerTokensReport): Promise<void> {
  const panels = panelsOf(report);
  const refuse = (reason: string): SecateurError => new SecateurError('file-unwritable', { path, reason });
  if (panels.length === 0) throw refuse('no method keeps tokens in their places, so there is no heat map');
  await writeFile(path, heatMapSvg(panels)).catch((e: unknown) => {
    throw refuse((e as Error).message);
  });
}

/** A whole number, or a share such as 0.5x or 50%. */
function kept(text: string): Keep {
  const shared = /^(\d*\.?\d+)(x|%)$/.exec(text.trim());
  if (shared) {
    const share = Number(shared[1]) / (shared[2] === '%' ? 100 : 1);
    if (share > 0 && share < 1) return { share };
  } else if (/^[1-9]\d{0,8}$/.test(text.trim())) return { tokens: Number(text) };
  throw new InvalidArgumentError('It must be a whole number from 1, or a share such as 0.5x or 50%.');
}
