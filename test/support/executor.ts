import * as ort from 'onnxruntime-node';
import type { ExecSession, Executor } from '../../src/main/engine/executor.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { dtypeOf, fromOrt, toOrt } from '../../src/main/runtime/tensors.ts';

/** The runtime with nothing around it: what small tests of emitted graphs need. */
export const plainExecutor: Executor = {
  async open(model, options = {}): Promise<ExecSession> {
    const session = await ort.InferenceSession.create(serializeModel(model), {
      intraOpNumThreads: options.threads ?? 1,
      graphOptimizationLevel: options.optimization ?? 'all',
      logSeverityLevel: 3,
    });
    return {
      inputNames: session.inputNames,
      outputNames: session.outputNames,
      outputDtypes: session.outputMetadata.map((m) => (m.isTensor ? dtypeOf(m.type) : 0)),
      async run(feeds, fetches) {
        const given = Object.fromEntries(Object.entries(feeds).map(([k, t]) => [k, toOrt(t)]));
        const got = await (fetches ? session.run(given, [...fetches]) : session.run(given));
        return Object.fromEntries(Object.entries(got).map(([k, t]) => [k, fromOrt(t as ort.Tensor)]));
      },
      release: () => session.release(),
    };
  },
};
