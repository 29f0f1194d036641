/**
 * Replaces values that are computed from constants alone by constants. The runtime does so whenever it opens a model.
 * Here it removes exporters' detours from the analysis (position tables, biases assembled from parts, transposed
 * weights).
 */
import type { Executor } from '../executor.ts';
import { isRandom } from '../ir/dependence.ts';
import { byteSize, elementCount } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { tensorFrom } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import { isMissing } from '../onnx/index.ts';
import { eliminateDead, extractSubgraph, runPasses } from './index.ts';
import { traitsOf } from '../ops/registry.ts';

/** A result that exceeds the total size of its sources by more than this, in bytes, stays computed. */
const GROWTH = 1 << 20;

/**
 * Changes the model in place.
 * @returns number of values that became constants
 */
export async function foldConstants(model: Model, executor: Executor): Promise<number> {
  const { graph } = model;
  const fixed = new Set<Value>();
  for (const v of graph.initializers)
    if (v.initializer && !isMissing(v.initializer) && !graph.inputs.includes(v)) fixed.add(v);
  const made = new Set<Node>();
  for (const n of graph.nodes()) {
    const inputs = n.inputs.filter((v) => v !== null);
    // Quantized weights are stored small on purpose. Dropout has a separate pass.
    const kept = traitsOf(n).quantizes || n.key === 'Dropout';
    if (n.domain !== '' || kept || isRandom(n) || inputs.length === 0) continue;
    if ([...n.subgraphs()].length > 0) continue;
    if (!inputs.every((v) => fixed.has(v))) continue;
    made.add(n);
    for (const v of n.outputs) fixed.add(v);
  }
  const wanted = [...made].flatMap((n) =>
    n.outputs.filter((v) => graph.outputs.includes(v) || v.consumers().some((c) => !made.has(c))),
  );
  if (wanted.length === 0) return 0;
  const part = extractSubgraph(model, [], wanted);
  const session = await executor.open(part, { optimization: 'disabled' });
  let count = 0;
  try {
    const out = await session.run({});
    for (const [i, v] of wanted.entries()) {
      const t = out[part.graph.outputs[i]!.name];
      const size = t ? byteSize(t.dtype, t.dims) : undefined;
      if (!t || size === undefined || size > sourceBytes(v, fixed) + GROWTH || graph.outputs.includes(v)) continue;
      v.replaceAllUsesWith(graph.addInitializer(graph.freshName(v.name), tensorFrom(t)));
      count++;
    }
  } finally {
    await session.release();
  }
  if (count) runPasses(model, [eliminateDead]);
  return count;
}

/** Bytes of the constants that a value is computed from, counting only those without other readers. */
function sourceBytes(v: Value, fixed: ReadonlySet<Value>): number {
  const seen = new Set<Value>();
  const waiting = [v];
  let bytes = 0;
  while (waiting.length) {
    const at = waiting.pop()!;
    if (seen.has(at) || !fixed.has(at)) continue;
    seen.add(at);
    if (at.initializer && at.uses().length === 1)
      bytes += byteSize(at.initializer.dtype, at.initializer.dims) ?? elementCount(at.initializer.dims);
    if (at.producer) waiting.push(...at.producer.inputs.filter((x) => x !== null));
  }
  return bytes;
}
