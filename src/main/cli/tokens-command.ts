/** `secateur tokens`: a package whose pictures have fewer tokens, or a table of the ways to make one. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { FewerTokensReport, Keep } from '../../shared/model/fewer-tokens.ts';
import { tokensRequest, type TokensOptions } from '../services/tokens-request.ts';
import { wholeNumber, workloadSetting } from './options.ts';
import { renderTokens } from './render-tokens.ts';
import type { Session } from './session.ts';

const several = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

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
    .option('--out <dir>', 'folder of the new package (default: PACKAGE-METHOD here)')
    .option('--image <path>', 'picture, or folder of pictures, on which answers are compared (repeatable)', several)
    .option('--prompt <text>', 'prompt for every picture (repeatable)', several)
    .option('--no-measure', 'write without measuring the latency')
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
    });
}

/** Whole numbers from 0, separated by commas. */
function layerList(text: string): number[] {
  if (/^\d{1,4}(,\d{1,4})*$/.test(text)) return text.split(',').map(Number);
  throw new InvalidArgumentError('It must be a list of layers, such as 2,4.');
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
