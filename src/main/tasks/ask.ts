/** Answers a prompt with a package, or with the package as it would be with fewer tokens. */
import type { AnswerReport } from '../../shared/model/generate.ts';
import type { AskRequest } from '../../shared/model/visual-tokens.ts';
import { openPackage } from '../pipeline/prepare/open-package.ts';
import type { StageContext } from '../pipeline/context.ts';
import { oneVariant } from '../pipeline/tokens/one-variant.ts';
import { openSubject } from '../pipeline/tokens/subject.ts';
import { answerPrompt } from './run.ts';

/** @throws 'tokens-*', and errors of `answerPrompt` and `openPackage` */
export async function runAsk(request: AskRequest, ctx: StageContext): Promise<AnswerReport> {
  const { fewer, provider, threads } = request;
  const options = { executor: ctx.executor, provider, threads };
  if (!fewer) return answerPrompt(openPackage(request.package), request, options, ctx);
  const subject = await openSubject(request.package, {}, ctx.executor);
  const { models, configs } = await oneVariant(subject, fewer, ctx.executor);
  return answerPrompt(subject.pkg, request, { ...options, replaced: models, configs }, ctx);
}
