/**
 * Checks that a bundle's model runs at other sizes of its dynamic axes. The bundle does not contain
 * the original; it lists the sizes at which both were seen to run, and its golden cases end with
 * one of them. A bundle without such a list must run at some other size of every axis that it
 * declares dynamic.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { GoldenFile } from '../../engine/bundle/golden.ts';
import type { ExecSession, HostTensor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import { inputShapes } from '../../runtime/random-inputs.ts';
import { feedsAt, namedSizes, trySizes, type Sizes } from '../../runtime/size-trials.ts';
import { sayAll } from '../evaluate/second-sizes.ts';

/** @param feeds inputs of the first golden case */
export async function checkSizes(
  model: Model,
  session: ExecSession,
  spec: Pick<GoldenFile, 'sizes'>,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<{ ok: boolean; detail: string }> {
  const now = namedSizes(inputShapes(model).map((s) => ({ ...s, dims: feeds[s.name]?.dims ?? s.dims })));
  if (now.size === 0) return { ok: true, detail: 'no axis of the inputs is dynamic' };
  /** Null when the model runs, else the reason. */
  const refused = (changed: Sizes): Promise<string | null> =>
    session.run(feedsAt(model, feeds, now, changed)).then(
      () => null,
      (e: unknown) => {
        if (e instanceof SecateurError && e.code === 'runtime-rejected') return e.message;
        throw e;
      },
    );
  if (!spec.sizes) {
    const { trials, stuck } = await trySizes(now, async (c) => ((await refused(c)) === null ? c : null));
    if (stuck.length > 0)
      return { ok: false, detail: `${stuck.join(', ')}: declared dynamic, but runs at one size only` };
    return { ok: true, detail: `runs at ${trials.map((t) => sayAll(t.changed)).join('; ')}` };
  }
  for (const changed of spec.sizes) {
    const odd = Object.entries(changed).find(([name, n]) => !now.has(name) || n > Math.max(3, 2 * now.get(name)!));
    if (odd) return { ok: false, detail: `${odd[0]} = ${odd[1]} is not a size that can be tried` };
    const why = await refused(changed);
    if (why !== null)
      return { ok: false, detail: `does not run at ${sayAll(changed)}, where the original does: ${why}` };
  }
  const tried = new Set(spec.sizes.flatMap((s) => Object.keys(s)));
  const stuck = [...now.keys()].filter((name) => !tried.has(name));
  const parts = [
    ...(spec.sizes.length > 0 ? [`runs at ${spec.sizes.map(sayAll).join('; ')}`] : []),
    ...(stuck.length > 0 ? [`${stuck.join(', ')}: the original runs at one size only`] : []),
  ];
  return { ok: true, detail: parts.join('; ') };
}
