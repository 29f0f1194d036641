/**
 * The last check before a bundle is written. Surgery was compared with the masked model at second
 * sizes; later steps (compensation, recovery, the declared inputs) changed weights, so numbers can
 * no longer be compared with the masked model. The following must still hold: the result runs
 * wherever the original runs and returns outputs of the same shapes, and where the original
 * computes every sample independently, the result does too. No later step touches the arithmetic of
 * sizes, so a cut that was correct at these sizes and a result that passes here differ only in
 * weights.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import { rowsAt, type ExecSession, type HostTensor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import { difference } from '../../engine/quality/difference.ts';
import { fedInputs, inputShapes } from '../../runtime/random-inputs.ts';
import { namedSizes, type Sizes } from '../../runtime/size-trials.ts';
import type { StageContext } from '../context.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { asNumbers, opened, runOrReason, sayAll, sizesOf, steadyOutputs } from '../evaluate/second-sizes.ts';

type Feeds = Readonly<Record<string, HostTensor>>;

/** Rounding error: other batch sizes change the order of sums. */
const TOLERANCE = 1e-3;

export interface ResultSizes {
  /** Other sizes of dynamic axes at which the original and the result run. */
  readonly sizes: readonly Sizes[];
  /**
   * Inputs at the last of these sizes, with finite outputs that every machine reproduces; null when
   * there are none.
   */
  readonly feeds: Feeds | null;
  readonly notes: readonly string[];
}

/**
 * @param p the prepared original; its batch may have been freed
 * @param result as it will be shipped; only axes that it declares dynamic are changed
 * @throws SecateurError 'own-cut-failed' naming axis and sizes
 */
export async function guardResult(
  p: Pick<Prepared, 'model' | 'facts'>,
  result: Model,
  ctx: Pick<StageContext, 'executor'>,
): Promise<ResultSizes> {
  const declared = new Set(namedSizes(inputShapes(result)).keys());
  const runs = await sizesOf(p.model, p.facts, ctx.executor, declared);
  if (runs.others.length === 0) return { sizes: [], feeds: null, notes: runs.notes };
  const steady = steadyOutputs(p.model);
  let last: Feeds | null = null;
  const faults: string[] = [];
  await opened(ctx.executor, p.model, (whole) =>
    opened(ctx.executor, result, async (narrow) => {
      for (const { changed, feeds } of runs.others) {
        const want = await runOrReason(whole, feeds);
        const got = await runOrReason(narrow, feeds);
        if (typeof want === 'string') continue;
        const fault =
          typeof got === 'string'
            ? `does not run (${got})`
            : (otherShape(want, got, steady) ??
              (await mixedRows(p.model, { whole, narrow }, { changed, feeds, want, got, steady })));
        if (fault) faults.push(`the result ${fault} at ${sayAll(changed)}`);
        else if (steady.size === result.graph.outputs.length && isFinite(got as Feeds)) last = feeds;
      }
    }),
  );
  if (faults.length > 0) throw new SecateurError('own-cut-failed', { reason: faults.join('; ') });
  return { sizes: runs.others.map((r) => r.changed), feeds: last, notes: runs.notes };
}

function otherShape(want: Feeds, got: Feeds, steady: ReadonlySet<string>): string | null {
  for (const name of steady) {
    const [a, b] = [want[name]?.dims.join(', '), got[name]?.dims.join(', ')];
    if (a !== b) return `gives output ${name} the shape (${b}) where the original gives (${a})`;
  }
  return null;
}

const isFinite = (out: Feeds): boolean =>
  Object.values(asNumbers(out, new Set(Object.keys(out)))).every((t) =>
    Array.from(t.data as ArrayLike<number | bigint>).every((x) => Number.isFinite(Number(x))),
  );

interface Seen {
  readonly changed: Sizes;
  readonly feeds: Feeds;
  readonly want: Feeds;
  readonly got: Feeds;
  readonly steady: ReadonlySet<string>;
}

/**
 * For models whose samples are rows of all inputs and whose original computes each independently:
 * checks that the result does too.
 */
async function mixedRows(
  original: Model,
  { whole, narrow }: { whole: ExecSession; narrow: ExecSession },
  { changed, feeds, want, got, steady }: Seen,
): Promise<string | null> {
  const names = new Set(Object.keys(changed));
  const rows = Object.values(changed)[0]!;
  const batched = new Set<string>();
  for (const v of fedInputs(original)) {
    const at = (v.type?.shape ?? []).flatMap((d, axis) =>
      typeof d === 'number' || !names.has(d || `${v.name}.${axis}`) ? [] : [axis],
    );
    if (at.length === 0) continue;
    if (at.join() !== '0') return null;
    batched.add(v.name);
  }
  if (Object.values(changed).some((n) => n !== rows)) return null;
  const rowed = new Set([...steady].filter((name) => want[name]?.dims[0] === rows));
  if (batched.size === 0 || rowed.size === 0) return null;
  for (let i = 0; i < rows; i++) {
    const one = Object.fromEntries(
      Object.entries(feeds).map(([name, t]) => [name, batched.has(name) ? rowsAt(t, i, 1) : t]),
    );
    const alone = await runOrReason(whole, one);
    if (typeof alone === 'string') return null;
    const apart = difference(rowOf(want, i, rowed), asNumbers(alone, rowed));
    // The original mixes its samples, or has no comparable number.
    if (!(apart <= TOLERANCE)) return null;
    const own = await runOrReason(narrow, one);
    if (typeof own === 'string') return `runs, but not with one sample (${own}),`;
    const gap = difference(rowOf(got, i, rowed), asNumbers(own, rowed));
    if (!(gap <= 10 * TOLERANCE)) return `computes sample ${i + 1} differently in a batch than alone`;
  }
  return null;
}

const rowOf = (out: Feeds, i: number, names: ReadonlySet<string>): Feeds =>
  Object.fromEntries(Object.entries(asNumbers(out, names)).map(([name, t]) => [name, rowsAt(t, i, 1)]));
