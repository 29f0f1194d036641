/** A package whose pictures have fewer tokens, with what it gains and what it costs. */
import type { FewerTokensReport, FewerTokensRequest } from '../../shared/model/fewer-tokens.ts';
import type { StageContext } from '../pipeline/context.ts';
import { fewerTokens } from '../pipeline/tokens/fewer-tokens.ts';

export const runTokens = (request: FewerTokensRequest, ctx: StageContext): Promise<FewerTokensReport> =>
  fewerTokens(request, ctx);
