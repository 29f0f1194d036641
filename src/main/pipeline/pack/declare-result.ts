/**
 * Gives the result the declared inputs and outputs of the original, so that a fixed batch is fixed
 * again.
 */
import { join } from 'node:path';
import type { Model } from '../../engine/ir/model.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import { declareAs } from '../prepare/free-batch.ts';
import { input, stage } from '../stage.ts';

export const declareResult = stage({
  name: 'result',
  version: 2,
  inputs: { result: input<{ readonly path: string }>(), original: input<Model>() },
  run: ({ result, original }) => {
    const model = openModelFile(result.path);
    declareAs(model, original);
    return model;
  },
  codec: {
    write: (folder, model: Model) => void saveModelFile(model, join(folder, 'model.onnx')),
    read: (folder) => ({ path: join(folder, 'model.onnx') }),
  },
});
