/**
 * Token methods as plain loops over one sample: the references that emitted graphs are compared with.
 */
import { seededRandom } from '../../src/main/engine/random.ts';

export interface Sample {
  readonly tokens: number[][];
  readonly attention: number[];
  readonly keys: number[][];
  readonly sizes: number[];
  readonly relevance?: number[];
  readonly grid: readonly [number, number];
  readonly seed: number;
}

export interface Selected {
  readonly index: number[];
  readonly content?: number[][];
  readonly sizes?: number[];
}

/** Selection among free tokens. `fixed` is the number of tokens before them, which only parity depends on. */
export type Reference = (s: Sample, keep: number, fixed: number) => Selected;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const ascending = (x: readonly number[]): number[] => [...x].sort((a, b) => a - b);
const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
const cosine = (x: readonly number[], y: readonly number[]): number => dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
const sum = (rows: readonly number[][], weights: readonly number[]): number[] =>
  rows[0]!.map((_, d) => rows.reduce((total, row, i) => total + row[d]! * weights[i]!, 0));
const mean = (rows: readonly number[][]): number[] => sum(rows, rows.map(() => 1 / rows.length)); // prettier-ignore
const plus = (x: readonly number[], y: readonly number[]): number[] => x.map((v, i) => v + y[i]!);
/** Indices by falling score, the lower index first in a tie. */
const byScore = (score: readonly number[]): number[] =>
  range(score.length).sort((a, b) => score[b]! - score[a]! || a - b);
const argMax = (score: readonly number[]): number => byScore(score)[0]!;

/** The squarest division into `count` cells, even ones first: the cell of every token, or undefined. */
function cellsBy(grid: readonly [number, number], count: number): number[] | undefined {
  let best: { readonly r: number; readonly c: number; readonly cost: number } | undefined;
  for (let r = 1; r <= grid[0]; r++)
    for (let c = 1; c <= grid[1]; c++) {
      const ratio = Math.abs(Math.log(grid[0] / r / (grid[1] / c)));
      if (r * c !== count || ratio > Math.log(2) + 1e-9) continue;
      const cost = ratio + (grid[0] % r || grid[1] % c ? 10 : 0);
      if (!best || cost < best.cost - 1e-12) best = { r, c, cost };
    }
  if (!best) return undefined;
  const { r, c } = best;
  const part = (at: number, n: number, k: number): number => {
    for (let i = k - 1; ; i--) if (Math.floor((i * n) / k) <= at) return i;
  };
  return range(grid[0] * grid[1]).map((t) => part(Math.floor(t / grid[1]), grid[0], r) * c + part(t % grid[1], grid[1], c)); // prettier-ignore
}

const pool: Reference = ({ tokens, grid }, keep) => {
  const cell = cellsBy(grid, keep)!;
  const members = range(keep).map((c) => range(cell.length).filter((t) => cell[t] === c));
  const middle = (numbers: readonly number[]): number => {
    const distinct = ascending([...new Set(numbers)]);
    return distinct[(distinct.length - 1) >> 1]!;
  };
  const index = members.map((m) => middle(m.map((t) => Math.floor(t / grid[1]))) * grid[1] + middle(m.map((t) => t % grid[1]))); // prettier-ignore
  return { index, content: members.map((m) => mean(m.map((t) => tokens[t]!))) };
};

const stride: Reference = ({ tokens }, keep) => ({
  index: range(keep).map((i) => Math.floor(((i + 0.5) * tokens.length) / keep)),
});

const random: Reference = ({ tokens, seed }, keep) => ({
  index: ascending(seededRandom(seed).shuffle(range(tokens.length)).slice(0, keep)),
});

const divprune: Reference = ({ tokens }, keep) => {
  const distance = tokens.map((x) => tokens.map((y) => 1 - cosine(x, y)));
  const all = range(tokens.length);
  const toNearest = all.map((i) => Math.min(...all.filter((j) => j !== i).map((j) => distance[i]![j]!)));
  const chosen = [argMax(toNearest)];
  while (chosen.length < keep)
    chosen.push(
      argMax(all.map((i) => (chosen.includes(i) ? -1 : Math.min(...chosen.map((j) => distance[i]![j]!))))), // prettier-ignore
    );
  return { index: ascending(chosen) };
};

/** By Schur complements of the whole kernel instead of its Cholesky factor. */
const dpp: Reference = ({ tokens, relevance }, keep) => {
  const [low, high] = relevance ? [Math.min(...relevance), Math.max(...relevance)] : [0, 1];
  const r = tokens.map((_, i) => (relevance ? (relevance[i]! - low) / (high - low) + 1e-6 : 1));
  let kernel = tokens.map((x, i) => tokens.map((y, j) => r[i]! * (i === j ? 1 : cosine(x, y)) * r[j]!));
  const full = kernel.map((row, i) => row[i]!);
  const chosen: number[] = [];
  while (chosen.length < keep) {
    const rest = kernel.map((row, i) => (chosen.includes(i) ? -1 : row[i]! > 1e-5 * full[i]! ? row[i]! : 0));
    const j = argMax(rest);
    chosen.push(j);
    if (rest[j]! <= 0) continue;
    const pivot = kernel[j]!;
    kernel = kernel.map((row) => row.map((v, i) => v - (row[j]! * pivot[i]!) / pivot[j]!));
  }
  return { index: ascending(chosen) };
};

const best: (attentive: boolean) => Reference = (attentive) => (s, keep) => {
  const score = attentive ? s.attention : s.tokens.map((x) => dot(x, x));
  const most = Math.max(1, Math.floor(keep / 2));
  let cell: number[] | undefined;
  for (let count = most; count >= 1 && !cell; count--) cell = cellsBy(s.grid, count);
  const cells = [...new Set(cell ?? [0])];
  const order = byScore(score);
  const tops = cell ? cells.map((c) => order.find((t) => cell[t] === c)!) : [order[0]!];
  return { index: ascending([...tops, ...order.filter((t) => !tops.includes(t))].slice(0, keep)) };
};

const nuwa: Reference = ({ tokens, attention, grid }, keep) => {
  const at = (t: number): [number, number] => [Math.floor(t / grid[1]), t % grid[1]];
  const cell = (t: number): string => at(t).map((x) => Math.floor(x / 2)).join(); // prettier-ignore
  const order = byScore(attention);
  let candidates: number[] = [];
  for (let k = 1; candidates.length < keep; k++) {
    const seen = new Map<string, number>();
    candidates = order.filter((t) => {
      const count = (seen.get(cell(t)) ?? 0) + 1;
      seen.set(cell(t), count);
      return count <= k;
    });
  }
  const kept = candidates.slice(0, keep);
  const scores = kept.map((t) => attention[t]!).sort((a, b) => a - b);
  const position = 0.55 * (keep - 1);
  const [below, above] = [scores[Math.floor(position)]!, scores[Math.ceil(position)]!];
  const quantile = below + (above - below) * (position % 1);
  const reach = Math.sqrt((280 / 576) * tokens.length);
  const index = ascending(kept);
  const content = index.map((t) => {
    if (attention[t]! >= quantile) return tokens[t]!;
    const weights = tokens.map((x, j) => {
      const distance = Math.hypot(at(t)[0] - at(j)[0], at(t)[1] - at(j)[1]);
      return Math.max(0, cosine(tokens[t]!, x)) * Math.max(0, 1 - distance / reach);
    });
    const total = weights.reduce((a, b) => a + b, 0);
    return sum(tokens, weights.map((w, j) => (j === t ? 1 : w / total))); // prettier-ignore
  });
  return { index, content };
};

const visionzip: Reference = ({ tokens, attention, keys }, keep) => {
  const contextual = Math.max(1, Math.round((keep * 10) / 64));
  const order = byScore(attention);
  const dominant = order.slice(0, keep - contextual);
  const rest = ascending(order.slice(keep - contextual));
  const step = Math.floor(rest.length / contextual);
  const targets = range(contextual).map((i) => rest[i * step]!);
  const joined = new Map(targets.map((t) => [t, [] as number[]]));
  for (const t of rest.filter((x) => !targets.includes(x)))
    joined.get(targets[argMax(targets.map((to) => cosine(keys[t]!, keys[to]!)))]!)!.push(t);
  const index = ascending([...dominant, ...targets]);
  const content = index.map((t) => {
    const others = joined.get(t) ?? [];
    return others.length ? plus(tokens[t]!, mean(others.map((o) => tokens[o]!))) : tokens[t]!;
  });
  return { index, content };
};

const evit: Reference = ({ tokens, attention }, keep) => {
  const order = byScore(attention);
  const rest = order.slice(keep - 1);
  const fused = sum(rest.map((t) => tokens[t]!), rest.map((t) => attention[t]!)); // prettier-ignore
  const index = ascending(order.slice(0, keep));
  return { index, content: index.map((t) => (t === rest[0] ? fused : tokens[t]!)) };
};

const tome: Reference = (s, keep, fixed) => {
  let left = s.tokens.map((x, index) => ({ index, x, key: s.keys[index]!, size: s.sizes[index]! }));
  while (left.length > keep) {
    const evens = left.filter((_, i) => (i + fixed) % 2 === 0);
    const odds = left.filter((_, i) => (i + fixed) % 2 === 1);
    const pairs = evens.map((a) => {
      const cosines = odds.map((b) => cosine(a.key, b.key));
      const to = argMax(cosines);
      return { a, to, cosine: cosines[to]! };
    });
    const merged = byScore(pairs.map((p) => p.cosine)).slice(0, left.length - keep).map((i) => pairs[i]!); // prettier-ignore
    const gone = new Set(merged.map((p) => p.a));
    left = left.flatMap((t) => {
      if (gone.has(t)) return [];
      const joining = merged.filter((p) => odds[p.to] === t).map((p) => p.a);
      const all = [t, ...joining];
      const size = all.reduce((n, m) => n + m.size, 0);
      const shares = all.map((m) => m.size / size);
      return [{ index: t.index, x: sum(all.map((m) => m.x), shares), key: sum(all.map((m) => m.key), shares), size }]; // prettier-ignore
    });
  }
  return { index: left.map((t) => t.index), content: left.map((t) => t.x), sizes: left.map((t) => t.size) };
};

/** By name. 'stratified' has no attention, 'stratified-by-attention' has. */
export const REFERENCES: Readonly<Record<string, Reference>> = {
  pool,
  stride,
  random,
  divprune,
  dpp,
  stratified: best(false),
  'stratified-by-attention': best(true),
  nuwa,
  visionzip,
  evit,
  tome,
};
