/** Inlines ONNX model-local functions: every call is replaced by the function's body. */
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
 * The runtime inlines functions whenever it opens a model, so the model it saves without any optimization has none.
 * Returns the model itself where no function is called.
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

/** Whether a graph, or a graph within it, calls one of these functions. */
const calls = (g: Graph, own: ReadonlySet<string>): boolean =>
  [...g.nodes()].some((n) => own.has(`${n.domain}::${n.opType}`) || [...n.subgraphs()].some((s) => calls(s, own)));
