/**
 * A training step that splits its batch: sessions on separate threads each take a part of the samples, their gradients
 * are averaged, and one update follows. The result equals that of the whole batch where the loss is a mean over
 * samples. Small operators gain little from several threads; several sessions keep all threads busy.
 */
import { rowsAt, type ExecSession, type Executor, type HostTensor } from '../executor.ts';
import { Graph } from '../ir/graph.ts';
import { Model } from '../ir/model.ts';
import type { Value } from '../ir/value.ts';
import { DType } from '../ir/dtype.ts';
import { extractSubgraph } from '../passes/extract.ts';
import type { TrainStep } from './train-step.ts';

export interface ShareOptions {
  readonly shares: number;
  /** Total over all sessions. */
  readonly threads: number;
  /** Models that run before each share and whose outputs the step reads; default: none. */
  readonly before?: readonly Model[];
}

type Threaded = Executor & Required<Pick<Executor, 'openThread'>>;

/** Whether sessions can run on threads here, tested with a trivial model. */
export async function threadsWork(executor: Executor): Promise<boolean> {
  if (!executor.openThread) return false;
  const model = new Model(new Graph());
  model.opsets.set('', 17);
  const type = { elemType: DType.FLOAT, shape: [1] };
  const [out] = model.graph.emit('Identity', [model.graph.addInput('x', type)], { outputName: 'y' });
  out!.type = type;
  model.graph.outputs.push(out!);
  try {
    const session = await executor.openThread([model]);
    await session.release();
    return true;
  } catch {
    // Any failure means no threads: one session does the same work more slowly.
    return false;
  }
}

interface Halves {
  /** Maps samples and weights to gradient and loss. */
  readonly gradient: Model;
  /** Maps these to the new state. */
  readonly update: Model;
  /** Names of the step's inputs besides samples, and of the weights among them. */
  readonly state: ReadonlySet<string>;
  readonly params: string;
}

function halves(step: TrainStep): Halves {
  const { graph } = step.model;
  const named = new Map<string, Value>(graph.inputs.map((v) => [v.name, v]));
  for (const n of graph.nodes()) for (const v of n.outputs) named.set(v.name, v);
  const at = (names: readonly string[]): Value[] => names.map((name) => named.get(name)!);
  const params = step.state.find((s) => s.kind === 'params')!.input;
  const state = new Set([step.lr, step.step, ...step.state.map((s) => s.input)]);
  const samples = graph.inputs.filter((v) => !state.has(v.name) && !v.isInitializer).map((v) => v.name);
  const between = at(step.between);
  for (const v of between) v.type = { elemType: DType.FLOAT };
  const updated = [...step.state.map((s) => s.output), ...(step.gradNorm === null ? [] : [step.gradNorm])];
  return {
    gradient: extractSubgraph(step.model, at([...samples, params]), at([...step.between, step.loss])),
    update: extractSubgraph(step.model, [...at([...state]), ...between], at(updated)),
    state,
    params,
  };
}

/**
 * Behaves like a session of `step.model`, where the step's batch is one share: it takes `shares` times as many samples.
 * The step's extras are not returned.
 */
export async function openShared(
  executor: Threaded,
  step: TrainStep,
  { shares, threads, before = [] }: ShareOptions,
): Promise<ExecSession> {
  const { gradient, update, state, params } = halves(step);
  const sessions: ExecSession[] = [];
  const release = async (): Promise<void> => {
    for (const s of sessions.splice(0)) await s.release();
  };
  try {
    const each = { threads: Math.max(1, Math.floor(threads / shares)) };
    sessions.push(await executor.open(update, { threads }));
    for (let i = 0; i < shares; i++) sessions.push(await executor.openThread([...before, gradient], each));
  } catch (e) {
    await release();
    throw e;
  }
  const [updating, ...looking] = sessions as [ExecSession, ...ExecSession[]];
  const run = async (feeds: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>> => {
    const samples = Object.entries(feeds).filter(([name]) => !state.has(name));
    const parts = await Promise.all(
      looking.map((s, i) => {
        const own = samples.map(([name, t]) => {
          const rows = t.dims[0]! / shares;
          return [name, rowsAt(t, i * rows, rows)] as const;
        });
        return s.run({ ...Object.fromEntries(own), [params]: feeds[params]! });
      }),
    );
    const mean = Object.fromEntries([...step.between, step.loss].map((name) => [name, meanOf(parts.map((p) => p[name]!))])); // prettier-ignore
    const { [step.loss]: loss, ...between } = mean;
    const carried = Object.entries(feeds).filter(([name]) => state.has(name));
    return { ...(await updating.run({ ...Object.fromEntries(carried), ...between })), [step.loss]: loss! };
  };
  return {
    inputNames: looking[0]!.inputNames,
    outputNames: [...updating.outputNames, step.loss],
    outputDtypes: new Map([...updating.outputDtypes, [step.loss, DType.FLOAT]]),
    run,
    release,
  };
}

function meanOf(parts: readonly HostTensor[]): HostTensor {
  const [first, ...others] = parts;
  const data = Float32Array.from(first!.data as Float32Array);
  for (const { data: more } of others) for (let i = 0; i < data.length; i++) data[i]! += Number(more[i]);
  for (let i = 0; i < data.length; i++) data[i]! /= parts.length;
  return { ...first!, data };
}
