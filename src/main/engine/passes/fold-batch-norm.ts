import { attrFloat, attrInt, float, type Model, type Node, type Value } from '../ir/index.ts';
import { givenOut } from '../ir/reads.ts';
import { traitsOf } from '../ops/registry.ts';
import { constantOf, fromFloat64, setConstantInput, toFloat64 } from './constants.ts';
import type { Pass } from './pass.ts';

/**
 * Folds an inference BatchNormalization into the linear operator before it, where that has a bias input, its weights
 * are constant initializers and nothing else reads the values in between. Arithmetic is float64, rounded once: y = s (W
 * x + b - mean) + beta with s = scale / sqrt(var + epsilon) per output channel (Ioffe and Szegedy 2015, algorithm 2).
 * Run `constants-to-initializers` first where weights may come from Constant nodes.
 */
export const foldBatchNorm: Pass = {
  name: 'fold-batch-norm',
  run(model) {
    const given = givenOut(model.graph);
    let modified = false;
    for (const n of model.graph.nodes())
      if (n.key === 'BatchNormalization') modified = fold(model, n, given) || modified;
    return { model, modified };
  },
};

function fold(model: Model, bn: Node, given: ReadonlySet<Value>): boolean {
  const x = bn.input(0);
  const layer = x?.producer;
  if (!x || !layer || layer.graph !== bn.graph || given.has(x) || x.uses().length !== 1) return false;
  // Training mode, and `spatial = 0` of opset 7 and 8 (statistics per position), are other functions.
  if (bn.outputs.slice(1).some((o) => o.name) || attrInt(bn.attributes.get('training_mode'), 0) !== 0) return false;
  if (attrInt(bn.attributes.get('spatial'), 1) !== 1) return false;

  const weight = constantOf(model, layer.input(1));
  const { linear } = traitsOf(layer);
  const channelOf = weight && linear?.bias ? linear.outputs(layer, weight.dims) : null;
  if (!weight || !channelOf) return false;
  const parameters: Float64Array[] = [];
  for (const i of [1, 2, 3, 4]) {
    const t = constantOf(model, bn.input(i));
    const numbers = t && toFloat64(t);
    if (!numbers || numbers.length !== channelOf.channels) return false;
    parameters.push(numbers);
  }
  const [scale, beta, mean, variance] = parameters as [Float64Array, Float64Array, Float64Array, Float64Array];
  const bias = oldBias(model, layer, channelOf.channels);
  const w = toFloat64(weight);
  if (!bias || !w) return false;

  const epsilon = attrFloat(bn.attributes.get('epsilon'), 1e-5);
  const s = scale.map((g, c) => g / Math.sqrt(variance[c]! + epsilon));
  for (let i = 0; i < w.length; i++) w[i]! *= s[channelOf.at(i)]!;
  const shift = s.map((k, c) => k * (bias[c]! - mean[c]!) + beta[c]!);

  const graph = bn.graph!;
  setConstantInput(graph, layer, 1, fromFloat64(weight.dtype, weight.dims, w), 'weight');
  setConstantInput(graph, layer, 2, fromFloat64(weight.dtype, [channelOf.channels], shift), 'bias');
  if (layer.attributes.has('beta')) layer.attributes.set('beta', float(1));
  // The layer takes over the output Value itself, so that its name, declared type and readers stay.
  const y = bn.output();
  graph.remove(bn, true);
  layer.setOutput(0, y);
  return true;
}

/** The present bias per output channel (zeros without one), or null when it is not a plain constant. */
function oldBias(model: Model, layer: Node, channels: number): Float64Array | null {
  const v = layer.input(2);
  if (!v) return new Float64Array(channels);
  const t = constantOf(model, v);
  const numbers = t && toFloat64(t);
  if (!numbers || numbers.length !== channels || t.dims.at(-1) !== channels) return null;
  const beta = attrFloat(layer.attributes.get('beta'), 1);
  return numbers.map((x) => x * beta);
}
