/** A decoder at fixed sizes whose only output is the logits at the positions of answers, in operators with gradients. */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import { GraphBuilder } from '../../../engine/autodiff/builder.ts';
import type { Executor, HostTensor } from '../../../engine/executor.ts';
import { cloneModel } from '../../../engine/ir/clone.ts';
import { DType, elementCount } from '../../../engine/ir/dtype.ts';
import type { Facts } from '../../../engine/ir/facts.ts';
import type { Model } from '../../../engine/ir/model.ts';
import { tensorFrom } from '../../../engine/ir/tensor.ts';
import type { Value } from '../../../engine/ir/value.ts';
import { traitsOf } from '../../../engine/ops/registry.ts';
import { expandFused } from '../../../engine/passes/expand-fused.ts';
import { constantsToInitializers, eliminateDead, runPasses, takeBranches, unlistInitializers } from '../../../engine/passes/index.ts'; // prettier-ignore
import { collectFacts } from '../../../runtime/facts.ts';
import { inlineFunctions } from '../../../runtime/inline.ts';
import { ROWS } from './batches.ts';
import type { Feeds } from './recorder.ts';

export interface TrainingGraph {
  /** Inputs: those that vary, and `ROWS`; output: logits [rows, vocabulary]. Weights have the decoder's names. */
  readonly model: Model;
  readonly facts: Facts;
  /** Names of the decoder's inputs that it takes. */
  readonly fed: readonly string[];
}

export interface GraphSizes {
  /** Inputs that never change. */
  readonly constant: Feeds;
  /** The others, for one batch. */
  readonly example: Feeds;
  /** Rows of logits. */
  readonly rows: number;
}

/** @throws 'recover-refused', 'gradient-unsupported' */
export async function trainingGraph(decoder: Model, o: GraphSizes, executor: Executor): Promise<TrainingGraph> {
  const { model } = cloneModel(await inlineFunctions(decoder));
  const { graph } = model;
  runPasses(model, [unlistInitializers, constantsToInitializers]);
  const logits = graph.outputs.find((v) => /^logits$/i.test(v.name))!;
  graph.outputs.splice(0, Infinity, logits);
  for (const v of [...graph.inputs]) {
    const fixed = o.constant[v.name];
    if (fixed) fix(model, v, fixed);
    else v.type = { elemType: o.example[v.name]!.dtype, shape: [...o.example[v.name]!.dims] };
  }
  tidy(model);
  const inputs = (): Record<string, HostTensor> =>
    Object.fromEntries(graph.inputs.filter((v) => v.name !== ROWS).map((v) => [v.name, o.example[v.name]!]));
  const rows: HostTensor = { dtype: DType.INT64, dims: [o.rows], data: new BigInt64Array(o.rows) };
  let facts = await collectFacts(model, executor, { inputs: inputs() });
  while (takeBranches(model, facts) > 0) {
    tidy(model);
    facts = await collectFacts(model, executor, { inputs: inputs() });
  }
  if (facts.get(logits)?.dtype !== DType.FLOAT)
    throw new SecateurError('recover-refused', { reason: 'its decoder computes in another precision than float32' });
  if (expandFused(model, facts) > 0) facts = await collectFacts(model, executor, { inputs: inputs() });
  selectRows(model, facts, o.rows);
  tidy(model);
  facts = await collectFacts(model, executor, { inputs: { ...inputs(), [ROWS]: rows } });
  return { model, facts, fed: graph.inputs.map((v) => v.name).filter((name) => name !== ROWS) };
}

function fix(model: Model, input: Value, value: HostTensor): void {
  const { graph } = model;
  input.replaceAllUsesWith(graph.addInitializer(graph.freshName(input.name), tensorFrom(value)));
  graph.inputs.splice(graph.inputs.indexOf(input), 1);
}

/** Removes nodes and inputs that nothing reads. */
function tidy(model: Model): void {
  runPasses(model, [eliminateDead]);
  const { inputs } = model.graph;
  inputs.splice(0, Infinity, ...inputs.filter((v) => v.isUsed || v.name === ROWS));
}

/** Takes the positions in front of the last product, which is the largest one, where there is such a product. */
function selectRows(model: Model, facts: Facts, count: number): void {
  const { graph } = model;
  const b = new GraphBuilder(graph, model.opset);
  const [logits] = graph.outputs as [Value];
  const rows = graph.addInput(ROWS, { elemType: DType.INT64, shape: [count] });
  const dims = facts.get(logits)!.shape;
  const positions = elementCount(dims.slice(0, -1));
  const last = logits.producer!;
  const x = last.input(0);
  const shape = x && facts.get(x)?.shape;
  const product = traitsOf(last).linear?.slides === false && last.input(1)?.initializer?.dims.length === 2;
  if (product && shape && elementCount(shape.slice(0, -1)) === positions) {
    b.before = last;
    last.setInput(0, b.op('Gather', [b.reshape(x!, [positions, shape.at(-1)!]), rows]));
    logits.type = { elemType: DType.FLOAT, shape: [count, dims.at(-1)!] };
    return;
  }
  const taken = b.op('Gather', [b.reshape(logits, [positions, dims.at(-1)!]), rows]);
  [logits.name, taken.name] = [graph.freshName('logits'), logits.name];
  taken.type = { elemType: DType.FLOAT, shape: [count, dims.at(-1)!] };
  graph.outputs.splice(0, 1, taken);
}
