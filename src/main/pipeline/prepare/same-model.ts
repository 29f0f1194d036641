/** Checks that a resumed job still has the model it started with. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { StageContext } from '../context.ts';
import { jobLeaf } from '../leaves.ts';
import { figures, input } from '../stage.ts';

/** Number of stored hex digits of the hash. A number holds 12 of them exactly. */
const DIGITS = 12;

const begun = figures({ name: 'job-model', version: 1, inputs: { job: input<null>() } });

/**
 * Records the model of a job at its first run, and compares it at every later run.
 * @param o.sha256 hash of the model's files, hex
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
