/** `secateur tokens` without measurements. */
import type { FewerTokensReport, FewerTokensRequest } from '../../src/shared/model/fewer-tokens.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import { fewerTokens } from '../../src/main/pipeline/tokens/fewer-tokens.ts';
import { plainExecutor } from './executor.ts';

type Wanted = Pick<FewerTokensRequest, 'package' | 'method' | 'out'> & Partial<FewerTokensRequest>;

/** @param keep tokens per picture or tile */
export const untimedTokens = ({ keep, ...o }: Omit<Wanted, 'keep'> & { readonly keep: number }): Promise<FewerTokensReport> =>
  fewerTokens({ keep: { tokens: keep }, images: [], prompts: [], settings: {}, provider: 'cpu', threads: 1, measure: false, ...o }, context); // prettier-ignore

const context = {
  executor: plainExecutor,
  progress: () => undefined,
  log: () => undefined,
} as unknown as StageContext;
