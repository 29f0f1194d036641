/** Answers a prompt with a package, or with the package as it would be with fewer tokens. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { AnswerReport } from '../../shared/model/generate.ts';
import type { AskRequest } from '../../shared/model/visual-tokens.ts';
import { openPackage } from '../pipeline/prepare/open-package.ts';
import type { StageContext } from '../pipeline/context.ts';
import { keptOf, openSubject } from '../pipeline/tokens/subject.ts';
import { makeVariants } from '../pipeline/tokens/variants.ts';
import { answerPrompt } from './run.ts';

/** @throws 'tokens-*', and errors of `answerPrompt` and `openPackage` */
export async function runAsk(request: AskRequest, ctx: StageContext): Promise<AnswerReport> {
  const { fewer, provider, threads } = request;
  const options = { executor: ctx.executor, provider, threads };
  if (!fewer) return answerPrompt(openPackage(request.package), request, options, ctx);
  const { method, keep } = fewer;
  const subject = await openSubject(request.package, {}, ctx.executor);
  const [made] = await makeVariants(subject, [method], keptOf(subject, { tokens: keep }), ctx.executor);
  if (!made || 'refused' in made) throw new SecateurError('tokens-method-refused', { method, reason: made?.refused });
  const { model, configs } = made;
  const changed = { configs, ...(model && { replaced: new Map([[subject.encoder.id, model]]) }) };
  return answerPrompt(subject.pkg, request, { ...options, ...changed }, ctx);
}
