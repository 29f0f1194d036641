/** Models that are made of functions of their own (ONNX model-local functions), with every call replaced by its body. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import type { Graph } from '../engine/ir/graph.ts';
import type { Model } from '../engine/ir/model.ts';
import { readModel, serializeModel } from '../engine/onnx/index.ts';
import { runtimeError } from './errors.ts';
import { ortOptions } from './executor.ts';

/**
 * The runtime inlines functions whenever it opens a model; what it writes down without any optimization is the model without
 * them. The model itself where nothing calls a function.
 * @throws SecateurError 'runtime-rejected'
 */
export async function inlineFunctions(model: Model): Promise<Model> {
  const own = new Set(model.functions.map((f) => `${f.domain}::${f.name}`));
  if (own.size === 0 || !calls(model.graph, own)) return model;
  const dir = await mkdtemp(join(tmpdir(), 'secateur-inline-'));
  try {
    const path = join(dir, 'model.onnx');
    const session = await ort.InferenceSession.create(serializeModel(model), {
      ...ortOptions({ optimization: 'disabled' }),
      optimizedModelFilePath: path,
    });
    await session.release();
    const inlined = readModel(await readFile(path));
    inlined.functions.length = 0;
    inlined.sizes = model.sizes;
    return inlined;
  } catch (e) {
    throw runtimeError(e);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Whether a graph calls one of these functions, in itself or in a graph within it. */
const calls = (g: Graph, own: ReadonlySet<string>): boolean =>
  [...g.nodes()].some((n) => own.has(`${n.domain}::${n.opType}`) || [...n.subgraphs()].some((s) => calls(s, own)));
