/**
 * Runs models with ONNX Runtime: the Executor that is injected into the engine. Loaded only in worker processes,
 * because `run` blocks the event loop of its process, and a native crash ends it.
 */
import { open as openFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { ExecSession, Executor, HostTensor, SessionOptions } from '../engine/executor.ts';
import { weightBytes } from '../engine/ir/costs.ts';
import type { Model } from '../engine/ir/model.ts';
import { serializeModel, writeModelChunks } from '../engine/onnx/index.ts';
import { scratchFolder } from '../storage/scratch.ts';
import { runtimeError } from './errors.ts';
import { dtypeOf, fromOrt, toOrt } from './tensors.ts';
import { ThreadSession } from './thread-session.ts';

/** Protobuf messages are limited to 2 GiB: above this, weights go to a file beside the model. */
const LARGEST_MESSAGE = 1.8e9;

export interface RuntimeSession extends ExecSession {
  /** The runtime's own session, for measurements without conversions. */
  readonly raw: ort.InferenceSession;
}

export interface RuntimeExecutor extends Executor {
  open(model: Model, options?: SessionOptions): Promise<RuntimeSession>;
  /** Opens serialized bytes or a file. External data is found beside the file. */
  openBytes(source: Uint8Array | string, options?: SessionOptions): Promise<RuntimeSession>;
}

/** Our options as the runtime's: quiet, sequential, exactly `threads` threads. */
export function ortOptions(options: SessionOptions = {}): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [options.provider ?? 'cpu'],
    intraOpNumThreads: options.threads ?? 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    enableMemPattern: options.memoryPattern ?? true,
    graphOptimizationLevel: options.optimization ?? 'all',
    // Errors reach the caller as exceptions, so the runtime need not print them.
    logSeverityLevel: 4,
  };
}

class OrtSession implements RuntimeSession {
  readonly raw: ort.InferenceSession;
  readonly #cleanup: (() => Promise<void>) | null;

  constructor(raw: ort.InferenceSession, cleanup: (() => Promise<void>) | null) {
    this.raw = raw;
    this.#cleanup = cleanup;
  }
  get inputNames(): readonly string[] {
    return this.raw.inputNames;
  }
  get outputNames(): readonly string[] {
    return this.raw.outputNames;
  }
  get outputDtypes(): ReadonlyMap<string, number> {
    return new Map(this.raw.outputMetadata.flatMap((m) => (m.isTensor ? [[m.name, dtypeOf(m.type)]] : [])));
  }

  async run(
    feeds: Readonly<Record<string, HostTensor>>,
    fetches?: readonly string[],
  ): Promise<Record<string, HostTensor>> {
    try {
      const given: Record<string, ort.Tensor> = {};
      for (const [name, t] of Object.entries(feeds)) given[name] = toOrt(t);
      const got = fetches ? await this.raw.run(given, [...fetches]) : await this.raw.run(given);
      const out: Record<string, HostTensor> = {};
      for (const [name, t] of Object.entries(got)) out[name] = fromOrt(t as ort.Tensor);
      return out;
    } catch (e) {
      throw runtimeError(e);
    }
  }

  async release(): Promise<void> {
    await this.raw.release();
    await this.#cleanup?.();
  }
}

async function writeChunks(path: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const file = await openFile(path, 'wx');
  try {
    for (const c of chunks) await file.writeFile(c);
  } finally {
    await file.close();
  }
}

/**
 * @param thread entry file of a session's thread; without it there are no threads
 * @throws SecateurError 'runtime-rejected' from open and run, with operator and node in its detail when known
 */
export function createExecutor(thread?: string): RuntimeExecutor {
  const create = async (
    source: Uint8Array | string,
    options: SessionOptions | undefined,
    cleanup: (() => Promise<void>) | null,
  ): Promise<RuntimeSession> => {
    try {
      const o = ortOptions(options);
      const raw =
        typeof source === 'string'
          ? await ort.InferenceSession.create(source, o)
          : await ort.InferenceSession.create(source, o);
      return new OrtSession(raw, cleanup);
    } catch (e) {
      await cleanup?.();
      throw runtimeError(e);
    }
  };
  return {
    async open(model, options) {
      if (weightBytes(model) < LARGEST_MESSAGE) return create(serializeModel(model), options, null);
      const dir = await scratchFolder();
      const cleanup = (): Promise<void> => rm(dir, { recursive: true, force: true });
      try {
        const plan = writeModelChunks(model, { externalData: { location: 'weights.data', thresholdBytes: 1024 } });
        await writeChunks(join(dir, 'model.onnx'), plan.model);
        if (plan.data) await writeChunks(join(dir, 'weights.data'), plan.data);
      } catch (e) {
        await cleanup();
        throw SecateurError.ofFullDisk(e, dirname(dir)) ?? e;
      }
      return create(join(dir, 'model.onnx'), options, cleanup);
    },
    openBytes: (source, options) => create(source, options, null),
    ...(thread !== undefined && {
      openThread: (models: readonly Model[], options?: SessionOptions) =>
        ThreadSession.open(thread, models.map(serializeModel), ortOptions(options)),
    }),
  };
}
