/** Which parts of a picture survive when tokens are left out. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { TokenCells, TokenCellsRequest } from '../../shared/model/visual-tokens.ts';
import { tokenMethod } from '../engine/structures/tokens/registry.ts';
import type { StageContext } from '../pipeline/context.ts';
import { openKeptCells } from '../pipeline/tokens/kept-cells.ts';
import { pictureParts } from '../pipeline/tokens/picture-parts.ts';
import { keptOf, openSubject } from '../pipeline/tokens/subject.ts';

/** @throws 'tokens-*', 'image-unreadable', 'run-image', and errors of `openPackage` */
export async function runTokenCells(request: TokenCellsRequest, ctx: StageContext): Promise<TokenCells> {
  const { image, method: name, keep } = request;
  const method = tokenMethod(name);
  if (!method) throw new SecateurError('tokens-method-refused', { method: name, reason: 'it selects no tokens of the picture' }); // prettier-ignore
  const subject = await openSubject(request.package, {}, ctx.executor);
  const parts = await pictureParts(subject, image);
  const reader = openKeptCells(subject, method, keptOf(subject, { tokens: keep }), { executor: ctx.executor });
  try {
    const cells = await reader.read(image);
    if (cells.parts.length !== parts.length)
      throw new SecateurError('internal', { reason: `${cells.parts.length} grids of tokens for ${parts.length} pictures` }); // prettier-ignore
    return { grid: cells.grid, parts: parts.map((part, i) => ({ ...part, kept: cells.parts[i]! })) };
  } finally {
    await reader.close();
  }
}
