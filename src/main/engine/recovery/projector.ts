/** The projector of a vision component: its last products, which turn image states into features of the decoder. */
import { GraphBuilder } from '../autodiff/builder.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import { traitsOf } from '../ops/registry.ts';
import { extractSubgraph } from '../passes/extract.ts';
import { copyInitializers, copyNodes } from '../passes/move-body.ts';
import { matricesIn } from './adapters.ts';

export interface Projector {
  /** Values in front of it, of the vision component. */
  readonly from: readonly Value[];
  /** Its matrices. */
  readonly matrices: readonly Value[];
}

/**
 * The products behind the last layer: back from the features up to a normalization, a convolution, attention, or a sum of
 * two values that are computed.
 * @returns null where there is no such product
 */
export function findProjector(encoder: Model, features: Value): Projector | null {
  const known = new Set(matricesIn(encoder));
  const from = new Set<Value>();
  const matrices = new Set<Value>();
  const seen = new Set<Value>();
  const waiting = [features];
  for (let v = waiting.pop(); v; v = waiting.pop()) {
    if (seen.has(v) || v.isInitializer) continue;
    seen.add(v);
    const node = v.producer;
    if (!node || endsLayer(node)) {
      from.add(v);
      continue;
    }
    for (const input of node.inputs) {
      if (!input) continue;
      if (known.has(input)) matrices.add(input);
      waiting.push(input);
    }
  }
  const found = [...known].filter((v) => matrices.has(v));
  return found.length > 0 && !from.has(features) ? { from: [...from], matrices: found } : null;
}

function endsLayer(node: Node): boolean {
  const { normalization, linear, attention, yields, sum } = traitsOf(node);
  const computed = node.inputs.filter((v) => v && !v.isInitializer).length;
  return (
    normalization !== undefined || linear?.slides === true || attention === true || yields === 'softmax' || (sum === true && computed > 1) // prettier-ignore
  );
}

/** Inputs of a joined decoder beside its own. */
export const TEXT = 'text_embeds';
export const PLACES = 'image_places';

export interface Joined {
  /**
   * The decoder behind the projector. Its inputs are those of the decoder and the values in front of the projector, in
   * place of `input`.
   */
  readonly model: Model;
  /** Names of the values in front of the projector, in order. */
  readonly from: readonly string[];
  /** Name of each matrix in the vision component, by its name here. */
  readonly matrices: ReadonlyMap<string, string>;
}

/**
 * Puts the projector in front of a decoder.
 * @param input of the decoder. Where it holds embeddings [B, S, width] of a prompt (`merged`), it becomes `TEXT`, those
 *   with zeros in the places of image features, plus `PLACES` [B, S, tokens] times the features: one 1 in the row of each
 *   place. Otherwise it becomes the features.
 */
export function joinProjector(
  decoder: Model,
  encoder: Model,
  { from, matrices, features, input, merged }: Projector & { readonly features: Value; readonly input: string; readonly merged: boolean }, // prettier-ignore
): Joined {
  const { model } = cloneModel(decoder);
  const { graph } = model;
  const part = extractSubgraph(encoder, from, [features]).graph;
  const first = graph.firstNode!;
  const values = copyInitializers(graph, part);
  for (const v of part.inputs) {
    const type = { elemType: DType.FLOAT, shape: (v.type?.shape ?? []).map((d) => (typeof d === 'number' ? d : null)) };
    values.set(v, graph.addInput(graph.freshName(`projector_${v.name}`), type));
  }
  copyNodes(graph, part, first, values);
  for (const [domain, version] of encoder.opsets) if (!model.opsets.has(domain)) model.opsets.set(domain, version);
  const made = values.get(part.outputs[0]!)!;
  const port = graph.inputs.find((v) => v.name === input)!;
  let fed = made;
  if (merged) {
    const b = new GraphBuilder(graph, model.opset);
    b.before = first;
    const text = graph.addInput(graph.freshName(TEXT), port.type);
    const places = graph.addInput(graph.freshName(PLACES), { elemType: DType.FLOAT, shape: [null, null, null] });
    fed = b.add(text, b.matmul(places, made));
  }
  port.replaceAllUsesWith(fed);
  graph.inputs.splice(graph.inputs.indexOf(port), 1);
  const copies = new Map([...part.initializers].map((v) => [v.name, values.get(v)!.name]));
  return {
    model,
    from: part.inputs.map((v) => values.get(v)!.name),
    matrices: new Map(matrices.map((v) => [copies.get(v.name)!, v.name])),
  };
}
