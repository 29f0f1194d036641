/** A package whose pictures have fewer tokens, with what it gains and what it costs. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { FewerTokensReport, FewerTokensRequest } from '../../shared/model/fewer-tokens.ts';
import { partsOf } from '../engine/generation/parts.ts';
import type { StageContext } from '../pipeline/context.ts';
import { openPackage } from '../pipeline/prepare/open-package.ts';
import { dualTokens } from '../pipeline/tokens/dual-tokens.ts';
import { fewerTokens } from '../pipeline/tokens/fewer-tokens.ts';

export async function runTokens(request: FewerTokensRequest, ctx: StageContext): Promise<FewerTokensReport> {
  const pkg = openPackage(request.package, { settings: request.settings });
  if (pkg.family !== 'dual-encoder') return fewerTokens(request, ctx);
  const parts = partsOf(pkg.shape);
  if (parts.kind === 'dual' && request.recover)
    throw new SecateurError('recover-refused', { reason: 'it compares pictures with texts and writes no answers' });
  return parts.kind === 'dual' ? dualTokens(request, pkg, parts, ctx) : fewerTokens(request, ctx);
}
