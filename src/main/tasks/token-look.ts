/** Says whether a package answers questions about pictures, and how many of its visual tokens can be left out. */
import { SecateurError, type ErrorCode } from '../../shared/contract/errors.ts';
import type { TokenLook } from '../../shared/model/visual-tokens.ts';
import { partsOf } from '../engine/generation/parts.ts';
import type { StageContext } from '../pipeline/context.ts';
import { openPackage } from '../pipeline/prepare/open-package.ts';
import { methodChoices } from '../pipeline/tokens/levels.ts';
import { imagesPerPicture, openSubject } from '../pipeline/tokens/subject.ts';

const NOTHING = { refused: null, tokens: null, methods: [] };

/** @throws errors of `openPackage`; a package that cannot be asked, or reduced, is no error */
export async function runTokenLook(request: { readonly package: string }, ctx: StageContext): Promise<TokenLook> {
  ctx.progress({ stage: 'load', message: 'reading the package', done: 0 });
  const { shape } = openPackage(request.package);
  const parts = reasonOr('run-unsupported', () => partsOf(shape));
  if (typeof parts === 'string') return { ...NOTHING, unanswered: parts };
  if (parts.kind === 'dual') return { ...NOTHING, unanswered: 'it compares pictures with texts and writes no answers' };
  if (parts.kind === 'text') return { ...NOTHING, unanswered: 'it reads text only' };
  const subject = await openSubject(request.package, {}, ctx.executor).catch((e: unknown) =>
    reasonOr('tokens-refused', () => {
      throw e;
    }),
  );
  if (typeof subject === 'string') return { ...NOTHING, unanswered: null, refused: subject };
  const { count, fixed } = subject.place;
  return {
    unanswered: null,
    refused: null,
    tokens: { free: count - fixed, fixed, images: imagesPerPicture(subject, shape.configs) },
    methods: await methodChoices(subject, ctx.executor),
  };
}

/** The value, or the reason of an error with that code. */
function reasonOr<T>(code: ErrorCode, make: () => T): T | string {
  try {
    return make();
  } catch (e) {
    if (e instanceof SecateurError && e.code === code) return String(e.detail['reason']);
    throw e;
  }
}
