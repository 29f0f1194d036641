/** Models with settled sizes of dynamic axes: the first step of every task on a model. */
import type { AxisSize } from '../../../shared/model/tasks.ts';
import { axisNames, batchAxes, fedInputs, operandsOf } from '../../runtime/axes.ts';
import { applySizes, settleSizes, sizeNotes, type SettledSizes, type SizeOptions } from '../../runtime/settle-sizes.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { StageContext } from '../context.ts';
import { batchLeaf, fileLeaf, modelLeaf, sizesLeaf } from '../leaves.ts';
import { figures, input, type Keyed } from '../stage.ts';
import type { LoadedModel } from './load.ts';

export interface SizedModel extends LoadedModel {
  /** The model, keyed by its files and its sizes. */
  readonly keyed: Keyed<Model>;
  readonly sizes: SettledSizes;
  /** Sentences for a report, on the assumed sizes. */
  readonly notes: readonly string[];
}

const settled = figures({
  name: 'sizes',
  version: 2,
  inputs: {
    file: input<LoadedModel>(),
    batch: input<number>(),
    dims: input<Readonly<Record<string, number>>>(),
    shapes: input<Readonly<Record<string, readonly number[]>>>(),
  },
});

/**
 * Settles the sizes of a loaded model and applies them to its runs. The sizes are cached for the
 * next time.
 * @throws errors of `settleSizes`
 */
export async function sized(
  loaded: LoadedModel,
  options: SizeOptions,
  ctx: Pick<StageContext, 'executor' | 'memo'>,
): Promise<SizedModel> {
  const { model, sha256 } = loaded;
  const wanted = options.batch ?? 1;
  const { dims = {}, shapes = {} } = options;
  const memo = settled.open(
    { file: fileLeaf(loaded), batch: batchLeaf(wanted), dims: sizesLeaf(dims), shapes: sizesLeaf(shapes) },
    ctx,
  );
  const names = axesOf(loaded);
  let sizes: SettledSizes;
  const batch = memo.get('batch');
  if (batch === undefined) {
    sizes = await settleSizes(model, ctx.executor, options);
    for (const [name, size] of Object.entries(sizes.sizes)) memo.put(`size ${name}`, size);
    for (const name of sizes.guessed) memo.put(`guessed ${name}`, 1);
    memo.put('fixed', Number(sizes.fixedBatch));
    memo.put('batch', sizes.batch);
  } else {
    sizes = {
      batch,
      fixedBatch: memo.get('fixed') === 1,
      guessed: names.filter((n) => memo.get(`guessed ${n}`) === 1),
      sizes: Object.fromEntries(
        names.flatMap((n) => {
          const size = memo.get(`size ${n}`);
          return size === undefined ? [] : [[n, size] as const];
        }),
      ),
    };
  }
  applySizes(model, sizes);
  return { ...loaded, keyed: modelLeaf(model, { sha256, ...sizes }), sizes, notes: sizeNotes(sizes, wanted) };
}

/** All dynamic axes with the sizes at which they run, including the batch. */
export function assumedSizes({ model, sizes }: SizedModel): Record<string, number> {
  const batches = batchAxes(model);
  return Object.fromEntries(axesOf({ model }).map((n) => [n, batches.has(n) ? sizes.batch : sizes.sizes[n]!]));
}

/** Dynamic axes besides the batch, with the source of their sizes. */
export function axisSizes(
  { model, sizes }: Pick<SizedModel, 'model' | 'sizes'>,
  given: Readonly<Record<string, number>> = {},
): AxisSize[] {
  const batches = batchAxes(model);
  const fromOf = (name: string): AxisSize['from'] => {
    if (sizes.guessed.includes(name)) return 'guessed';
    if (name in given) return 'given';
    return operandsOf(name).length > 0 ? 'follows' : 'data';
  };
  const open = axesOf({ model }).filter((n) => !batches.has(n));
  return open.map((name) => ({ name, size: sizes.sizes[name]!, from: fromOf(name) }));
}

const axesOf = ({ model }: Pick<LoadedModel, 'model'>): string[] => [
  ...new Set(fedInputs(model).flatMap((v) => axisNames(v).filter((n) => n !== null))),
];
