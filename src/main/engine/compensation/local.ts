/**
 * Compensation that is fast enough for every plan that an allocator tries: each linear operator is refitted by least
 * squares from the activations of the whole model, which are collected once. Removing inputs K leaves W G[:,K]
 * G[K,K]^-1 (OBC, Frantar and Alistarh 2022); a dropped block after the operator adds the cross moments of its
 * contribution. Without compensation, plans look worse than they will be, most of all those with narrow layers, which
 * compensation restores best. The final `compensate` also accounts for changes of the inputs themselves.
 */
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';
import { choleskySolveT, submatrix } from '../linalg.ts';
import type { Surgery } from '../structures/apply.ts';
import type { Layer } from './layers.ts';
import { factorize } from './least-squares.ts';
import { regressionOf, writeWeights } from './regression.ts';
import { Targets } from './targets.ts';

const RIDGE = 1e-3;

export class LocalFits {
  readonly #layers: ReadonlyMap<Node, Layer>;
  readonly #solved = new Map<string, Float64Array | null>();
  readonly #ids = new Map<unknown, number>();

  /** @param layers of the model that plans apply to */
  constructor(layers: ReadonlyMap<Node, Layer>) {
    this.#layers = layers;
  }

  /**
   * Changes the weights of `surgery.model` in place.
   * @returns number of refitted operators
   */
  apply(surgery: Surgery): number {
    const targets = new Targets(surgery);
    let count = 0;
    for (const node of surgery.model.graph.nodes()) {
      const out = node.outputs.length ? targets.original(node.output()) : undefined;
      const layer = out?.producer && this.#layers.get(out.producer);
      if (!layer || !out) continue;
      const kept = surgery.kept(layer.regression.node.input(0)!, 1);
      const target = targets.readout(node.output(), () => 1)?.target;
      const later = target && target !== layer.own ? target : null;
      if (!kept && !(later && layer.later.has(later))) continue;
      const solved = this.#solve(layer, kept, later);
      const r = regressionOf(node);
      if (!solved || typeof r === 'string') continue;
      const rows = surgery.kept(out, 1);
      const width = r.columns + 1;
      if (solved.length !== layer.regression.rows * width) continue;
      const chosen = rows ? new Float64Array(rows.length * width) : solved;
      rows?.forEach((row, i) => chosen.set(solved.subarray(row * width, (row + 1) * width), i * width));
      if (chosen.length !== r.rows * width) continue;
      writeWeights(r, chosen);
      count++;
    }
    return count;
  }

  /** All rows of the refitted weights, for the kept channels. */
  #solve(layer: Layer, kept: readonly number[] | null, later: Value | null): Float64Array | null {
    const key = `${this.#id(layer)}:${later ? this.#id(later) : ''}:${kept?.join() ?? ''}`;
    let w = this.#solved.get(key);
    if (w === undefined) this.#solved.set(key, (w = solve(layer, kept, later)));
    return w;
  }

  #id(x: unknown): number {
    let id = this.#ids.get(x);
    if (id === undefined) this.#ids.set(x, (id = this.#ids.size));
    return id;
  }
}

function solve(layer: Layer, kept: readonly number[] | null, later: Value | null): Float64Array | null {
  const { columns, rows } = layer.regression;
  const n = columns + 1;
  const taps = columns / layer.channels;
  const stay: number[] = [];
  for (let c = 0, i = 0; c < layer.channels; c++) {
    if (kept && kept[i] !== c) continue;
    i++;
    for (let t = 0; t < taps; t++) stay.push(c * taps + t);
  }
  stay.push(columns);
  const k = stay.length;
  const normal = factorize(submatrix(layer.gram, n, stay, stay), k, RIDGE);
  if (!normal) return null;
  // Right-hand sides W G[:,K], plus the contribution of a dropped block, plus the ridge towards the present weights.
  const more = later && layer.later.get(later);
  const right = new Float64Array(rows * k);
  for (let m = 0; m < rows; m++)
    for (let a = 0; a < k; a++) {
      const from = m * n + stay[a]!;
      const pulled = a < k - 1 ? normal.pull * layer.weights[from]! : 0;
      right[m * k + a] = layer.cross[from]! + (more ? more[from]! : 0) + pulled;
    }
  return choleskySolveT(normal.factor, right, k, rows);
}
