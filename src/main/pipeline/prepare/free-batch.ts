/**
 * Frees fixed batch sizes. Many exports fix the batch size at 1 although nothing in them depends on
 * it. Data run through such a model one sample at a time, which is slow and leaves too few samples
 * for batch statistics. The job's working copy takes any batch size when a run shows that the
 * results are the same. Measured and shipped models declare the batch of the original.
 */
import type { Executor, HostTensor } from '../../engine/executor.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import type { Model } from '../../engine/ir/model.ts';
import { i64, toNumbers } from '../../engine/ir/tensor.ts';
import { constantsToInitializers, runPasses } from '../../engine/passes/index.ts';
import { difference } from '../../engine/quality/difference.ts';
import { fedInputs, randomFeeds } from '../../runtime/random-inputs.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { StageContext } from '../context.ts';
import { derived, figures, input } from '../stage.ts';

const NAME = 'batch';
/** Relative to the largest output: other batch sizes change the order of sums. */
const TOLERANCE = 1e-3;

const inputs = { model: input<Model>(), runtime: input<string>() };
/** Whether the freed model agreed with the original. */
const agreement = figures({ name: 'batch-agreement', version: 1, inputs });

/**
 * The model with a dynamic batch axis, or the unchanged model when its batch is dynamic already or
 * has another meaning than samples.
 */
export const freeBatch = derived({
  name: 'free-batch',
  version: 2,
  inputs,
  run: async ({ model }, ctx: Pick<StageContext, 'executor' | 'memo'>, { given }): Promise<Model> => {
    const fed = fedInputs(model);
    if (fed.length === 0 || fed.some((v) => v.type?.shape?.[0] !== 1)) return model;
    const memo = agreement.open(given, ctx);
    const known = memo.get('free');
    if (known === 0) return model;
    const free = withoutBatch(model);
    if (known === undefined) {
      const same = await agrees(model, free, ctx.executor);
      memo.put('free', same ? 1 : 0);
      if (!same) return model;
    }
    return free;
  },
});

/**
 * Declares inputs and outputs as `original` does, except initializers, which may have been cut.
 * Changes `model` in place.
 */
export function declareAs(model: Model, original: Model): void {
  const declared = new Map([...fedInputs(original), ...original.graph.outputs].map((v) => [v.name, v.type]));
  for (const v of [...fedInputs(model), ...model.graph.outputs]) v.type = declared.get(v.name) ?? v.type;
}

/**
 * Returns a copy in which reshapes to a constant shape that begins with 1 keep the first axis of
 * their input.
 */
function withoutBatch(source: Model): Model {
  const { model } = cloneModel(source);
  runPasses(model, [constantsToInitializers]);
  const { graph } = model;
  for (const v of [...fedInputs(model), ...graph.outputs])
    if (v.type?.shape?.[0] === 1) v.type = { ...v.type, shape: [NAME, ...v.type.shape.slice(1)] };
  for (const n of graph.nodes()) {
    for (const v of n.outputs) if (!graph.outputs.includes(v)) v.type = null;
    const target = n.key === 'Reshape' ? n.input(1)?.initializer : null;
    const allowZero = n.attributes.get('allowzero');
    if (!target || (allowZero?.kind === 'int' && allowZero.value !== 0n)) continue;
    const [first, ...rest] = toNumbers(target);
    if (first === 1)
      n.setInput(1, graph.addInitializer(graph.freshName(`${n.output().name}_shape`), i64([0, ...rest])));
  }
  return model;
}

/**
 * True when a batch of two samples gives the same outputs as single samples, and as the original.
 */
async function agrees(original: Model, free: Model, executor: Executor): Promise<boolean> {
  const samples = [1, 2].map((seed) => randomFeeds(original, { batch: 1 }, seed));
  const outputsOf = async (model: Model, feeds: readonly Record<string, HostTensor>[]) => {
    const session = await executor.open(model, { threads: 1 });
    try {
      const out: Record<string, HostTensor>[] = [];
      for (const f of feeds) out.push(await session.run(f));
      return out;
    } finally {
      await session.release();
    }
  };
  try {
    const alone = await outputsOf(original, samples);
    const [together] = await outputsOf(free, [pairOf(samples[0]!, samples[1]!)]);
    return Object.entries(together!).every(([name, t]) => {
      if (t.dims[0] !== 2) return false;
      const half = t.data.length / 2;
      return alone.every((o, i) => {
        const own = { ...t, dims: [1, ...t.dims.slice(1)], data: t.data.subarray(i * half, (i + 1) * half) };
        return difference({ [name]: o[name]! }, { [name]: own }) <= TOLERANCE;
      });
    });
  } catch (e) {
    if (e instanceof SecateurError && e.code === 'runtime-rejected') return false;
    throw e;
  }
}

function pairOf(a: Readonly<Record<string, HostTensor>>, b: Readonly<Record<string, HostTensor>>) {
  return Object.fromEntries(
    Object.entries(a).map(([name, t]) => {
      const data = new (t.data.constructor as new (n: number) => HostTensor['data'])(2 * t.data.length) as Float32Array;
      data.set(t.data as Float32Array);
      data.set(b[name]!.data as Float32Array, t.data.length);
      return [name, { dtype: t.dtype, dims: [2, ...t.dims.slice(1)], data }];
    }),
  );
}
