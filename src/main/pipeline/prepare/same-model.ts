/** A job that is resumed goes on with the model that it began with, or says that it cannot. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { StageContext } from '../context.ts';
import { jobLeaf } from '../leaves.ts';
import { figures, input } from '../stage.ts';

/** Hex digits of the hash that are kept: as many as a number holds exactly. */
const DIGITS = 12;

const begun = figures({ name: 'job-model', version: 1, inputs: { job: input<null>() } });

/**
 * Notes which model a job began with, or compares with what was noted when it began.
 * @param o.sha256 of the model's files, hex
 * @throws 'model-replaced' with both hashes
 */
export function requireSameModel(
  o: { readonly path: string; readonly sha256: string },
  ctx: Pick<StageContext, 'job' | 'memo'>,
): void {
  const memo = begun.open({ job: jobLeaf(ctx.job, null) }, ctx);
  const now = o.sha256.slice(0, DIGITS);
  const was = memo.get(o.path);
  if (was === undefined) memo.put(o.path, Number.parseInt(now, 16));
  else if (was !== Number.parseInt(now, 16))
    throw new SecateurError('model-replaced', {
      path: o.path,
      was: was.toString(16).padStart(DIGITS, '0'),
      is: now,
    });
}
