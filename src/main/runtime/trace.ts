/** Runs a model with the runtime's profiler and reads its trace: the time of every kernel, and the fused graph. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import type { SessionOptions } from '../engine/executor.ts';
import type { Model } from '../engine/ir/model.ts';
import { readModel } from '../engine/onnx/index.ts';
import { runtimeError } from './errors.ts';
import { ortOptions } from './executor.ts';

export interface KernelTrace {
  /** Name of the node in the fused graph; unique in it. */
  readonly name: string;
  readonly opType: string;
  readonly provider: string;
  readonly inputShapes: readonly (readonly number[])[];
  readonly outputShapes: readonly (readonly number[])[];
  /** Microseconds per execution, without warm-up. Whole microseconds: average many. */
  readonly us: number[];
}

export interface Trace {
  readonly kernels: readonly KernelTrace[];
  /** Microseconds of whole runs. */
  readonly runsUs: readonly number[];
  /** The model after the runtime's rewrites; null when it could not be written or read. */
  readonly fused: Model | null;
}

interface TraceEvent {
  readonly cat?: string;
  readonly name: string;
  readonly dur: number;
  readonly args?: {
    op_name?: string;
    provider?: string;
    input_type_shape?: Record<string, number[]>[];
    output_type_shape?: Record<string, number[]>[];
  };
}

const KERNEL = '_kernel_time';

/** `runs` executions after `warmup` ones; stops early once `maxMs` have passed. */
export async function traceRuns(
  source: Uint8Array | string,
  feedsFor: (session: ort.InferenceSession) => Record<string, ort.Tensor>,
  options: SessionOptions & { runs: number; warmup: number; fused?: boolean; maxMs?: number },
): Promise<Trace> {
  const dir = await mkdtemp(join(tmpdir(), 'secateur-trace-'));
  try {
    const o: ort.InferenceSession.SessionOptions = {
      ...ortOptions(options),
      enableProfiling: true,
      profileFilePrefix: join(dir, 'trace'),
      ...(options.fused && { optimizedModelFilePath: join(dir, 'fused.onnx') }),
    };
    const session =
      typeof source === 'string'
        ? await ort.InferenceSession.create(source, o)
        : await ort.InferenceSession.create(source, o);
    const feeds = feedsFor(session);
    const start = performance.now();
    for (let i = 0; i < options.warmup + options.runs; i++) {
      await session.run(feeds);
      if (i > options.warmup && options.maxMs && performance.now() - start > options.maxMs) break;
    }
    session.endProfiling();
    await session.release();
    const file = (await readdir(dir)).find((f) => f.startsWith('trace'));
    if (!file) throw new Error('the profiler wrote no trace');
    const events = JSON.parse(await readFile(join(dir, file), 'utf8')) as TraceEvent[];
    const fused = options.fused ? await readFused(join(dir, 'fused.onnx')) : null;
    return { ...readEvents(events, options.warmup), fused };
  } catch (e) {
    throw runtimeError(e);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function readFused(path: string): Promise<Model | null> {
  try {
    return readModel(await readFile(path));
  } catch {
    return null;
  }
}

/** Groups the events by kernel and drops each kernel's first `warmup` executions. */
function readEvents(events: readonly TraceEvent[], warmup: number): Pick<Trace, 'kernels' | 'runsUs'> {
  const kernels = new Map<string, KernelTrace>();
  const runsUs: number[] = [];
  const shapes = (x: Record<string, number[]>[] | undefined): number[][] =>
    (x ?? []).map((o) => Object.values(o)[0] ?? []);
  for (const e of events) {
    if (e.name === 'model_run') runsUs.push(e.dur);
    if (e.cat !== 'Node' || !e.name.endsWith(KERNEL)) continue;
    const name = e.name.slice(0, -KERNEL.length);
    let k = kernels.get(name);
    if (!k) {
      k = {
        name,
        opType: e.args?.op_name ?? '',
        provider: e.args?.provider ?? '',
        inputShapes: shapes(e.args?.input_type_shape),
        outputShapes: shapes(e.args?.output_type_shape),
        us: [],
      };
      kernels.set(name, k);
    }
    k.us.push(e.dur);
  }
  for (const k of kernels.values()) k.us.splice(0, Math.min(warmup, k.us.length - 1));
  return { kernels: [...kernels.values()], runsUs: runsUs.slice(Math.min(warmup, runsUs.length - 1)) };
}
