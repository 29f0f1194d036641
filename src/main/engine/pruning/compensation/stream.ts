/**
 * Values of a model over all calibration batches, computed where they are asked for from the nearest values that are
 * already there. Walking through a network front to back this way costs one forward pass in total, while weights behind
 * the front may still change.
 */
import type { Executor, HostTensor } from '../../executor.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import { readsOf } from '../../ir/reads.ts';
import { extractSubgraph } from '../../passes/extract.ts';

export class Stream {
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
    if (missing.length) await this.#compute(missing);
    return wanted.map((v) => this.#held.get(v)!);
  }

  /** Values whose producer's weights changed after they were computed, and everything that was computed from them. */
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

  /** Lets go of what `node` and those behind it need neither directly nor to compute what they read; inputs of the model stay. */
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

  async #compute(wanted: readonly Value[]): Promise<void> {
    const cut = this.#sources(wanted);
    const part = extractSubgraph(this.#model, cut, wanted);
    for (const [i, v] of cut.entries()) {
      const t = this.#held.get(v)![0]!;
      part.graph.inputs[i]!.type = { elemType: t.dtype, shape: t.dims };
    }
    const session = await this.#executor.open(part, { threads: this.#threads });
    try {
      const names = part.graph.outputs.map((v) => v.name);
      const results: HostTensor[][] = wanted.map(() => []);
      const batches = this.#held.get(cut[0]!)!.length;
      for (let b = 0; b < batches; b++) {
        const out = await session.run(Object.fromEntries(cut.map((v) => [v.name, this.#held.get(v)![b]!])));
        names.forEach((name, i) => results[i]!.push(out[name]!));
      }
      wanted.forEach((v, i) => this.#held.set(v, results[i]!));
    } finally {
      await session.release();
    }
  }

  /** Held values that the wanted ones are computed from. */
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
