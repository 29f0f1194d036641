import { attrFloat, attrInt, elementCount, float, type Model, type Node, type Value } from '../ir/index.ts';
import { givenOut } from '../ir/reads.ts';
import { constantOf, fromFloat64, setConstantInput, toFloat64 } from './constants.ts';
import type { Pass } from './pass.ts';

/**
 * Folds an inference BatchNormalization into the Conv, ConvTranspose or Gemm before it, when the weights are constant
 * initializers and nothing else reads what lies between. Arithmetic is float64, rounded once:
 * y = s (W x + b - mean) + beta with s = scale / sqrt(var + epsilon) per output channel (Ioffe and Szegedy 2015,
 * algorithm 2). Run `constants-to-initializers` first where weights may come from Constant nodes.
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
  const channelOf = weight && outputChannel(layer, weight.dims);
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

/** Which output channel an element of the weight belongs to; null for other operators. */
function outputChannel(
  layer: Node,
  dims: readonly number[],
): { channels: number; at: (element: number) => number } | null {
  switch (layer.key) {
    case 'Conv': {
      const inner = elementCount(dims.slice(1));
      return { channels: dims[0]!, at: (e) => Math.floor(e / inner) };
    }
    case 'ConvTranspose': {
      // Weight [in, out / group, ...]: the group of an input channel tells which stretch of outputs it makes.
      const group = attrInt(layer.attributes.get('group'), 1);
      const inner = elementCount(dims.slice(2)),
        width = dims[1]!,
        perGroup = dims[0]! / group;
      return {
        channels: width * group,
        at: (e) => {
          const o = Math.floor(e / inner);
          return Math.floor(Math.floor(o / width) / perGroup) * width + (o % width);
        },
      };
    }
    case 'Gemm': {
      if (dims.length !== 2) return null;
      const [rows, columns] = dims as [number, number];
      return attrInt(layer.attributes.get('transB'), 0) === 0
        ? { channels: columns, at: (e) => e % columns }
        : { channels: rows, at: (e) => Math.floor(e / columns) };
    }
    default:
      return null;
  }
}

/** The present bias per output channel (zeros when there is none), or null when it is not a plain constant. */
function oldBias(model: Model, layer: Node, channels: number): Float64Array | null {
  const v = layer.input(2);
  if (!v) return new Float64Array(channels);
  const t = constantOf(model, v);
  const numbers = t && toFloat64(t);
  if (!numbers || numbers.length !== channels || t.dims.at(-1) !== channels) return null;
  const beta = layer.key === 'Gemm' ? attrFloat(layer.attributes.get('beta'), 1) : 1;
  return numbers.map((x) => x * beta);
}
