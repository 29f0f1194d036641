/** The time until the first token at several numbers of image tokens. */
import type { TokenTimes, TokenTimesRequest } from '../../shared/model/visual-tokens.ts';
import type { StageContext } from '../pipeline/context.ts';
import { tokenTimes } from '../pipeline/tokens/token-times.ts';

export const runTokenTimes = (request: TokenTimesRequest, ctx: StageContext): Promise<TokenTimes> =>
  tokenTimes(request, ctx);
