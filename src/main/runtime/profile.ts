/** Profiles a model: one row per kernel that the runtime executes, mapped to the model's own nodes. */
import type { Graph } from '../engine/ir/graph.ts';
import type { Model } from '../engine/ir/model.ts';
import type { Node } from '../engine/ir/node.ts';
import type { HostTensor } from '../engine/executor.ts';
import { mapKernels } from '../engine/latency/units.ts';
import { serializeModel } from '../engine/onnx/index.ts';
import type { BenchOptions } from './bench.ts';
import { randomFeeds } from './random-inputs.ts';
import { median, midMean } from './statistics.ts';
import { toOrt } from './tensors.ts';
import { traceRuns } from './trace.ts';

export interface OperatorTime {
  /** Node name in the runtime's fused graph. */
  readonly name: string;
  readonly opType: string;
  readonly provider: string;
  /** Milliseconds per execution (mean of the middle half). */
  readonly ms: number;
  /** Number of executions seen. */
  readonly count: number;
  readonly inputShapes: readonly (readonly number[])[];
  readonly outputShapes: readonly (readonly number[])[];
  /** The model's nodes that this kernel executes; empty for layout changes inserted by the runtime. */
  readonly nodes: readonly Node[];
  /** True when the kernel writes the runtime's blocked layout (NCHWc). */
  readonly blocked: boolean;
}

export interface Profile {
  readonly operators: readonly OperatorTime[];
  /** Sum over the operators. */
  readonly sumMs: number;
  /** Median of whole runs with the profiler on. */
  readonly runMs: number;
}

/** @throws SecateurError 'runtime-rejected' */
export async function profileModel(
  model: Model,
  options: Pick<BenchOptions, 'threads' | 'provider' | 'batch' | 'dims' | 'runs' | 'warmup'> & {
    /** Inputs; default: random ones. */
    readonly feeds?: Readonly<Record<string, HostTensor>>;
  } = {},
): Promise<Profile> {
  const raw = options.feeds ?? randomFeeds(model, options);
  const feeds = Object.fromEntries(Object.entries(raw).map(([name, t]) => [name, toOrt(t)]));
  const trace = await traceRuns(serializeModel(model), () => feeds, {
    threads: options.threads ?? 1,
    provider: options.provider ?? 'cpu',
    runs: options.runs ?? 30,
    warmup: options.warmup ?? 3,
    fused: true,
  });
  // The time of a Loop includes its body, so nodes in the body are not counted again.
  const inside = trace.fused ? namesInside(trace.fused) : new Set<string>();
  const outer = trace.kernels.filter((k) => !inside.has(k.name));
  const kernels = mapKernels(
    model,
    trace.fused,
    outer.map((k) => k.name),
  );
  const operators = outer.map((k) => ({
    name: k.name,
    opType: k.opType,
    provider: k.provider,
    ms: midMean(k.us) / 1000,
    count: k.us.length,
    inputShapes: k.inputShapes,
    outputShapes: k.outputShapes,
    nodes: kernels.get(k.name)?.nodes ?? [],
    blocked: kernels.get(k.name)?.blocked ?? false,
  }));
  return {
    operators,
    sumMs: operators.reduce((a, o) => a + o.ms, 0),
    runMs: median(trace.runsUs) / 1000,
  };
}

/** Names of nodes that occur only in subgraphs. */
function namesInside(model: Model): Set<string> {
  const out = new Set<string>();
  const collect = (g: Graph): void => {
    for (const n of g.nodes())
      for (const sub of n.subgraphs()) {
        for (const m of sub.nodes()) if (m.name) out.add(m.name);
        collect(sub);
      }
  };
  collect(model.graph);
  for (const n of model.graph.nodes()) out.delete(n.name);
  return out;
}
