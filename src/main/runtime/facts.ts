/**
 * Facts of a model: shapes, dtypes and small constants of all top-level values and of values in the bodies of Loop and
 * Scan, read from one instrumented run. The runtime is the reference: nothing that it reports is inferred.
 */
import type { Executor, HostTensor } from '../engine/executor.ts';
import { cloneModel } from '../engine/ir/clone.ts';
import { everyValue } from '../engine/ir/bodies.ts';
import { dataDependent } from '../engine/ir/dependence.ts';
import { DType, byteSize, elementCount } from '../engine/ir/dtype.ts';
import type { Facts, TensorFacts } from '../engine/ir/facts.ts';
import type { Model } from '../engine/ir/model.ts';
import { tensorFrom, toNumbers } from '../engine/ir/tensor.ts';
import { Value } from '../engine/ir/value.ts';
import { Node } from '../engine/ir/node.ts';
import { exposeBodies, guessDtypes, steadyShape } from './facts-inside.ts';
import { fedInputs, inputShapes, inputValue, type DimChoice, type InputShape } from './random-inputs.ts';
import { feedsAt, namedSizes, trySizes, type SizeTrial } from './size-trials.ts';
import { isTransferable } from './tensors.ts';
import { traitsOf } from '../engine/ops/registry.ts';

/** Contents are kept up to this many elements. */
const SMALL = 1024;

export interface FactsOptions extends DimChoice {
  /** Inputs to run on; default: random ones of the declared shapes. */
  readonly inputs?: Readonly<Record<string, HostTensor>>;
  /**
   * True: less time and memory for large models. The model runs at one size, so only inputs have dynamic axes and no
   * constant is known to vary. Inner values that depend on data are not outputs of the run, which would keep all of them
   * until its end; their element types are guesses. Default false.
   */
  readonly lean?: boolean;
}

/**
 * Decided by the producer and the readers of a value: an output of Loop or If has no type where the exporter wrote
 * none.
 */
function isSequence(v: Value): boolean {
  if (v.producer && traitsOf(v.producer).sequence?.makes) return true;
  if (v.consumers().some((n) => traitsOf(n).sequence?.reads && n.input(0) === v)) return true;
  return [...(v.producer?.subgraphs() ?? [])].some((g) => {
    // The first output of a Loop's body is its condition.
    const inner = g.outputs[v.index + (traitsOf(v.producer!).body?.said ?? 0)];
    return inner !== undefined && inner !== v && isSequence(inner);
  });
}

/**
 * Runs the model without optimizations and describes every top-level value. Dynamic axes: each named axis of the inputs
 * is changed in turn, and the axes that change with it get its name.
 * @throws SecateurError 'runtime-rejected' when the runtime cannot run the model.
 */
export async function collectFacts(model: Model, executor: Executor, options: FactsOptions = {}): Promise<Facts> {
  const facts = new Map<Value, TensorFacts>();
  for (const v of everyValue(model.graph)) {
    const t = v.initializer;
    if (!t) continue;
    const small = elementCount(t.dims) <= SMALL && byteSize(t.dtype, [1]) !== undefined && t.dtype <= DType.BFLOAT16;
    const real = t.dtype !== DType.COMPLEX64 && t.dtype !== DType.COMPLEX128;
    facts.set(v, { dtype: t.dtype, shape: t.dims, ...(small && real && { constant: toNumbers(t) }) });
  }

  const probe = await openProbe(model, executor, options.lean);
  let inputs: InputShape[];
  let elsewhere: Readonly<Record<string, HostTensor>>[];
  try {
    const first = await firstRun(probe, model, options);
    inputs = first.inputs;
    const { feeds, shapes } = first;
    const now = namedSizes(inputs);
    const tried = options.lean ? new Map<string, number>() : now;
    const others = await trySizes(tried, async (changed) => {
      const given = feedsAt(model, feeds, now, changed);
      // A size that does not run gives null; another one may run.
      const changedShapes = await probe.shapes(given).catch(() => null);
      return changedShapes && { shapes: changedShapes, feeds: given };
    });
    elsewhere = others.trials.map((t) => t.result.feeds);
    const names = new Map<Value, (string | null)[]>();
    for (const { changed, result } of others.trials) {
      const [dim] = Object.keys(changed);
      for (const [v, shape] of shapes) {
        const other = result.shapes.get(v);
        if (!other || other.length !== shape.length) continue;
        const of = names.get(v) ?? shape.map(() => null);
        shape.forEach((size, axis) => {
          if (other[axis] !== size) of[axis] ??= dim!;
        });
        names.set(v, of);
      }
    }
    const constants = await probe.constants(feeds, shapes);
    const varying = await whatVaries(probe, constants, shapes, others.trials);
    for (const [v, shape] of shapes) {
      const dynamic = names.get(v);
      const constant = constants.get(v);
      const varies = varying.get(v);
      facts.set(v, {
        dtype: probe.dtype(v),
        shape,
        ...(dynamic?.some((d) => d !== null) && {
          dynamic,
          elsewhere: others.trials.map((t) => t.result.shapes.get(v) ?? null),
        }),
        ...(constant && { constant }),
        ...(varies && { varies }),
        ...(probe.times.has(v) && { times: probe.times.get(v)! }),
      });
    }
  } finally {
    await probe.release();
  }
  for (const [i, v] of fedInputs(model).entries()) {
    const s = inputs[i]!;
    facts.set(v, {
      dtype: s.dtype,
      shape: s.dims,
      ...(s.dynamic.some((d) => d !== null) && {
        dynamic: s.dynamic,
        elsewhere: elsewhere.map((feeds) => feeds[v.name]!.dims),
      }),
    });
  }
  return facts;
}

/** The first run. An axis declared dynamic may work at one size only, so small even batches are tried after 1. */
async function firstRun(
  probe: Probe,
  model: Model,
  options: FactsOptions,
): Promise<{ inputs: InputShape[]; feeds: Record<string, HostTensor>; shapes: Map<Value, number[]> }> {
  const batches = options.batch === undefined && !options.inputs ? [1, 2, 4, 8] : [options.batch ?? 1];
  let failure: unknown;
  for (const batch of batches) {
    const inputs = inputShapes(model, { ...options, batch }).map((s) => withGiven(s, options.inputs?.[s.name]));
    const feeds: Record<string, HostTensor> = {};
    for (const [i, s] of inputs.entries())
      feeds[s.name] = options.inputs?.[s.name] ?? inputValue(model, fedInputs(model)[i]!, s, inputs, i + 1);
    try {
      return { inputs, feeds, shapes: await probe.shapes(feeds) };
    } catch (e) {
      failure ??= e;
    }
  }
  throw failure;
}

const withGiven = (s: InputShape, given: HostTensor | undefined): InputShape =>
  given ? { ...s, dtype: given.dtype, dims: given.dims, dynamic: given.dims.map((_, i) => s.dynamic[i] ?? null) } : s;

/**
 * Marks elements of constants that change with the sizes of the inputs: true where one changes. Absent: none changes.
 */
async function whatVaries(
  probe: Probe,
  constants: ReadonlyMap<Value, readonly number[]>,
  shapes: ReadonlyMap<Value, readonly number[]>,
  trials: readonly SizeTrial<{ feeds: Readonly<Record<string, HostTensor>> }>[],
): Promise<Map<Value, boolean[]>> {
  const out = new Map<Value, boolean[]>();
  for (const { result } of trials) {
    const other = await probe.constants(result.feeds, shapes);
    for (const [v, constant] of constants) {
      const changed = other.get(v);
      const same = changed?.length === constant.length;
      if (same && constant.every((x, i) => Object.is(x, changed[i]))) continue;
      const before = out.get(v);
      out.set(
        v,
        constant.map((x, i) => (before?.[i] ?? false) || !same || !Object.is(x, changed[i])),
      );
    }
  }
  return out;
}

interface Probe {
  shapes(feeds: Readonly<Record<string, HostTensor>>): Promise<Map<Value, number[]>>;
  constants(
    feeds: Readonly<Record<string, HostTensor>>,
    shapes: ReadonlyMap<Value, readonly number[]>,
  ): Promise<Map<Value, number[]>>;
  dtype(v: Value): number;
  /** How often values in bodies were computed in the last run. */
  readonly times: ReadonlyMap<Value, number>;
  release(): Promise<void>;
}

/**
 * A copy of the model in which a Shape node reads every value: only shapes leave the runtime, however big the tensors
 * are.
 */
export async function openProbe(model: Model, executor: Executor, lean = false): Promise<Probe> {
  const originals = new Map<string, Value>();
  for (const node of model.graph.nodes())
    for (const o of node.outputs) if (o.name && !o.type?.raw && !isSequence(o)) originals.set(o.name, o);
  const guessed = guessDtypes(model);
  const dependent = dataDependent(model);

  const clone = cloneModel(model);
  const copy = clone.model;
  const graph = copy.graph;
  const declared = new Set(graph.outputs);
  const shapeNames = new Map<string, Value>();
  const readers: Node[] = [];
  for (const node of [...graph.nodes()])
    for (const o of node.outputs) {
      const original = originals.get(o.name);
      if (!original) continue;
      const out = new Value(graph.freshName(`${o.name}__shape`), { elemType: DType.INT64 });
      readers.push(new Node('Shape', [o], [out]));
      graph.outputs.push(out);
      shapeNames.set(out.name, original);
      // The runtime's element types are read from the session's outputs. Types that cannot be transferred stay inside.
      const isKept = !lean || !dependent.has(original);
      if (isKept && !declared.has(o) && isTransferable(guessed.get(original) ?? DType.FLOAT)) {
        o.type = null;
        graph.outputs.push(o);
      }
    }
  // The runtime walks back from the last node first: then each size is read, and its tensor freed, as soon as it exists.
  for (const reader of readers.reverse()) graph.append(reader);
  const inside = exposeBodies(model, clone, (v) => Boolean(v.name) && !isSequence(v));
  const times = new Map<Value, number>();
  // A declared type can be wrong or too narrow, so the runtime infers it.
  const session = await executor.open(copy, { optimization: 'disabled', memoryPattern: false });
  const dtypes = session.outputDtypes;
  const fetchable = new Set(session.outputNames);

  return {
    async shapes(feeds) {
      const got = await session.run(feeds, [...shapeNames.keys(), ...inside.keys()]);
      const out = new Map<Value, number[]>();
      for (const [name, v] of shapeNames) out.set(v, Array.from(got[name]!.data as BigInt64Array, Number));
      for (const [name, v] of inside) {
        const { dims, data } = got[name]!;
        const shape = steadyShape(dims, Array.from(data as BigInt64Array, Number));
        if (!shape) continue;
        out.set(v, shape);
        times.set(v, dims[0]!);
      }
      return out;
    },
    async constants(feeds, shapes) {
      const wanted = [...shapes]
        .filter(([v, shape]) => !dependent.has(v) && elementCount(shape) <= SMALL && fetchable.has(v.name))
        .filter(([v]) => isTransferable(dtypes.get(v.name) ?? DType.UNDEFINED))
        .map(([v]) => v);
      const out = new Map<Value, number[]>();
      if (wanted.length === 0) return out;
      const got = await session.run(
        feeds,
        wanted.map((v) => v.name),
      );
      for (const v of wanted) {
        out.set(v, toNumbers(tensorFrom(got[v.name]!)));
      }
      return out;
    },
    times,
    dtype: (v) => dtypes.get(v.name) ?? guessed.get(v) ?? DType.UNDEFINED,
    release: () => session.release(),
  };
}
