/**
 * Values of a model over all calibration batches, computed on demand from the nearest cached values. Visiting a network
 * from front to back costs one forward pass in total, and weights of later layers may still change.
 */
import { GraphBuilder } from '../autodiff/builder.ts';
import { importDomains } from '../autodiff/walker.ts';
import type { Executor, HostTensor } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import { readsOf } from '../ir/reads.ts';
import { extractSubgraph } from '../passes/extract.ts';

/** A request to `look`: results to compute from cached values. */
export interface Look {
  /** Values to keep in the cache. */
  readonly hold: readonly Value[];
  /** Values that are only used in the computation. */
  readonly use?: readonly Value[];
  /** Additional inputs, one tensor per batch each. */
  readonly feeds?: Readonly<Record<string, readonly HostTensor[]>>;
  /** Emits the wanted results, by name, in float32, from the values and the additional inputs. */
  readonly emit: (
    b: GraphBuilder,
    at: (v: Value) => Value,
    fed: (name: string) => Value,
  ) => Readonly<Record<string, Value>>;
  /** Receives the emitted results, batch by batch. */
  readonly each: (out: Readonly<Record<string, HostTensor>>, batch: number) => void;
}

export class ActivationCache {
  readonly #executor: Executor;
  readonly #model: Model;
  readonly #threads: number;
  readonly #order = new Map<Node, number>();
  readonly #held = new Map<Value, readonly HostTensor[]>();
  readonly #inputs: ReadonlySet<Value>;

  /** @param batches feeds by input name, one record per batch */
  constructor(
    executor: Executor,
    model: Model,
    batches: readonly Readonly<Record<string, HostTensor>>[],
    threads: number,
  ) {
    this.#executor = executor;
    this.#model = model;
    this.#threads = threads;
    let i = 0;
    for (const n of model.graph.nodes()) this.#order.set(n, i++);
    const fed = model.graph.inputs.filter((v) => !v.isInitializer);
    for (const v of fed)
      this.#held.set(
        v,
        batches.map((b) => b[v.name]!),
      );
    this.#inputs = new Set(fed);
  }

  /** One tensor per batch for each of the values. */
  async get(...wanted: readonly Value[]): Promise<(readonly HostTensor[])[]> {
    const missing = [...new Set(wanted.filter((v) => !this.#held.has(v)))];
    if (missing.length) await this.#compute(missing, []);
    return wanted.map((v) => this.#held.get(v)!);
  }

  /** Holds what a cache of the same model holds, with the same names, as long as both have the same weights. */
  takeFrom(other: ActivationCache): void {
    for (const [v, tensors] of other.#held) {
      const own = this.#model.graph.findValue(v.name);
      if (own && !this.#held.has(own)) this.#held.set(own, tensors);
    }
  }

  /**
   * Like `get`, but also computes results from the values in the same session, so that the values need not be copied
   * out.
   */
  async look(o: Look): Promise<void> {
    const missing = [...new Set(o.hold.filter((v) => !this.#held.has(v)))];
    await this.#compute(missing, [...new Set([...o.hold, ...(o.use ?? [])])], o);
  }

  /** Dimensions of a value in the first batch, if it is cached. */
  dims(v: Value): readonly number[] | undefined {
    return this.#held.get(v)?.[0]?.dims;
  }

  /** Drops values whose producer's weights changed after they were computed, and everything computed from them. */
  forget(...values: readonly Value[]): void {
    const seen = new Set<Value>();
    const waiting = [...values];
    while (waiting.length) {
      const v = waiting.pop()!;
      if (seen.has(v)) continue;
      seen.add(v);
      if (!this.#inputs.has(v)) this.#held.delete(v);
      for (const n of v.consumers()) waiting.push(...n.outputs);
    }
  }

  /**
   * Drops values that `node` and later nodes need neither directly nor to compute their inputs. Inputs of the model
   * stay.
   */
  passed(node: Node): void {
    const at = this.#order.get(node) ?? 0;
    const needed = new Set<Value>();
    const waiting: Value[] = [];
    for (const [n, i] of this.#order) if (i >= at) waiting.push(...readsOf(n));
    const seen = new Set<Value>();
    while (waiting.length) {
      const v = waiting.pop()!;
      if (seen.has(v)) continue;
      seen.add(v);
      if (this.#held.has(v)) needed.add(v);
      else if (v.producer && (this.#order.get(v.producer) ?? 0) < at) waiting.push(...readsOf(v.producer));
    }
    for (const v of this.#held.keys()) if (!needed.has(v) && !this.#inputs.has(v)) this.#held.delete(v);
  }

  /**
   * @param wanted values to keep afterwards
   * @param used values that `more` reads
   */
  async #compute(wanted: readonly Value[], used: readonly Value[], more?: Look): Promise<void> {
    const cut = this.#sources([...wanted, ...used]);
    const computed = [...wanted, ...used.filter((v) => !this.#held.has(v) && !wanted.includes(v))];
    const part = extractSubgraph(this.#model, cut, computed);
    const { graph } = part;
    const declare = (v: Value, t: HostTensor): void => void (v.type = { elemType: t.dtype, shape: t.dims });
    for (const [i, v] of cut.entries()) declare(graph.inputs[i]!, this.#held.get(v)![0]!);
    const at = new Map([
      ...cut.map((v, i) => [v, graph.inputs[i]!] as const),
      ...computed.map((v, i) => [v, graph.outputs[i]!] as const),
    ]);
    graph.outputs.splice(wanted.length);
    const fed = new Map<string, Value>();
    for (const [name, tensors] of Object.entries(more?.feeds ?? {})) {
      const input = graph.addInput(graph.freshName(name), null);
      declare(input, tensors[0]!);
      fed.set(name, input);
    }
    const b = new GraphBuilder(graph, part.opset);
    const made = Object.entries(
      more?.emit(
        b,
        (v) => at.get(v)!,
        (name) => fed.get(name)!,
      ) ?? {},
    ).map(([name, v]) => {
      const out = b.op('Identity', [v]);
      out.name = graph.freshName(name);
      out.type = { elemType: DType.FLOAT };
      graph.outputs.push(out);
      return [name, out.name] as const;
    });
    importDomains(part);
    const session = await this.#executor.open(part, { threads: this.#threads, memoryPattern: false });
    try {
      const names = wanted.map((_, i) => graph.outputs[i]!.name);
      const results: HostTensor[][] = wanted.map(() => []);
      const batches = this.#held.get(cut[0]!)!.length;
      for (let k = 0; k < batches; k++) {
        const feeds = Object.fromEntries(cut.map((v, i) => [graph.inputs[i]!.name, this.#held.get(v)![k]!]));
        for (const [name, v] of fed) feeds[v.name] = more!.feeds![name]![k]!;
        const out = await session.run(feeds);
        names.forEach((name, i) => results[i]!.push(out[name]!));
        more?.each(Object.fromEntries(made.map(([name, as]) => [name, out[as]!])), k);
      }
      wanted.forEach((v, i) => this.#held.set(v, results[i]!));
    } finally {
      await session.release();
    }
  }

  /** Cached values that the wanted ones are computed from. */
  #sources(wanted: readonly Value[]): Value[] {
    const cut = new Set<Value>();
    const seen = new Set<Value>();
    const waiting = [...wanted];
    while (waiting.length) {
      const v = waiting.pop()!;
      if (seen.has(v)) continue;
      seen.add(v);
      if (this.#held.has(v)) cut.add(v);
      else if (v.producer) waiting.push(...readsOf(v.producer));
    }
    return [...cut];
  }
}
