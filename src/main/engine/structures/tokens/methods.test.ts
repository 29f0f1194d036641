/** Every token method as an emitted graph in the runtime against its reference in plain loops. */
import { describe, expect, it } from 'vitest';
import { REFERENCES, type Sample, type Selected } from '../../../../../test/support/token-references.ts';
import { createExecutor } from '../../../runtime/executor.ts';
import { GraphBuilder } from '../../autodiff/builder.ts';
import type { HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import { Model } from '../../ir/model.ts';
import type { Value } from '../../ir/value.ts';
import { verifyModel } from '../../ir/verify.ts';
import { seededRandom } from '../../random.ts';
import type { TokenInputs, TokenMethod } from './method.ts';
import { TOKEN_METHODS, tokenMethod } from './registry.ts';
import { receivedAttention } from './support/attention.ts';
import { keptTokens } from './support/rows.ts';

const WIDTH = 24;
const KEY_WIDTH = 8;
const executor = createExecutor();

interface Case {
  readonly method: TokenMethod;
  readonly grid: readonly [number, number];
  readonly fixed: number;
  readonly keep: number;
  readonly opset: number;
  readonly without?: readonly (keyof Sample)[];
  readonly with?: readonly (keyof Sample)[];
}

/** Samples whose tokens include the fixed ones. */
function samples(c: Pick<Case, 'grid' | 'fixed'>, batch: number, seed = 1): Sample[] {
  const random = seededRandom(seed);
  const count = c.grid[0] * c.grid[1] + c.fixed;
  const rows = (width: number): number[][] =>
    Array.from({ length: count }, () => Array.from({ length: width }, () => Math.fround(random.normal() + 0.5)));
  const positive = (): number[] => Array.from({ length: count }, () => Math.fround(random.next() + 0.01));
  return Array.from({ length: batch }, () => ({
    tokens: rows(WIDTH),
    keys: rows(KEY_WIDTH),
    attention: positive().map((x) => x / count),
    sizes: positive().map((x) => Math.ceil(3 * x)),
    relevance: positive(),
    grid: c.grid,
    seed: 5,
  }));
}

const OPTIONAL = ['attention', 'keys', 'sizes', 'relevance'] as const;

/** A model of the method alone, with the inputs of the contract as graph inputs. */
function build(c: Case): Model {
  const model = new Model();
  model.opsets.set('', c.opset);
  const count = c.grid[0] * c.grid[1] + c.fixed;
  const input = (name: string, ...shape: number[]): Value =>
    model.graph.addInput(name, { elemType: DType.FLOAT, shape: ['B', ...shape] });
  const given = (name: (typeof OPTIONAL)[number]): Value =>
    name === 'keys' ? input(name, count, KEY_WIDTH) : input(name, count);
  const reads = OPTIONAL.filter((name) => (c.method.needs.includes(name as never) && !c.without?.includes(name)) || c.with?.includes(name)); // prettier-ignore
  const inputs: TokenInputs = {
    tokens: input('tokens', count, WIDTH),
    count,
    width: WIDTH,
    fixed: c.fixed,
    grid: c.grid,
    seed: 5,
    ...Object.fromEntries(reads.map((name) => [name, given(name)])),
  };
  const b = new GraphBuilder(model.graph, c.opset);
  const selection = c.method.emit(b, inputs, c.keep);
  const results = [selection.index, keptTokens(b, inputs, selection), ...(selection.sizes ? [selection.sizes] : [])];
  model.graph.outputs.push(...results.map((value) => b.op('Identity', [value])));
  verifyModel(model);
  return model;
}

interface Result {
  readonly index: HostTensor;
  readonly kept: HostTensor;
  readonly sizes?: HostTensor;
}

async function run(c: Case, batch: readonly Sample[]): Promise<Result> {
  const model = build(c);
  const session = await executor.open(model);
  const feed = (rows: number[][][] | number[][]): HostTensor => {
    const dims = [batch.length, rows[0]!.length, ...(Array.isArray(rows[0]![0]) ? [rows[0]![0].length] : [])];
    return { dtype: DType.FLOAT, dims, data: Float32Array.from(rows.flat(2)) };
  };
  const feeds = Object.fromEntries(model.graph.inputs.map(({ name }) => [name, feed(batch.map((s) => s[name as 'tokens']))])); // prettier-ignore
  try {
    const [index, kept, sizes] = Object.values(await session.run(feeds));
    return { index: index!, kept: kept!, ...(sizes && { sizes }) };
  } finally {
    await session.release();
  }
}

/** The reference's selection with the fixed tokens in front. */
function expected(c: Case, name: string, sample: Sample): Selected & { readonly content: number[][] } {
  const isGiven = (key: keyof Sample): boolean => !c.without?.includes(key);
  const free: Sample = {
    ...sample,
    tokens: sample.tokens.slice(c.fixed),
    attention: sample.attention.slice(c.fixed),
    keys: sample.keys.slice(c.fixed),
    sizes: isGiven('sizes') ? sample.sizes.slice(c.fixed) : sample.tokens.slice(c.fixed).map(() => 1),
    ...(c.with?.includes('relevance') ? { relevance: sample.relevance!.slice(c.fixed) } : { relevance: undefined }),
  } as Sample;
  const selected = REFERENCES[name]!(free, c.keep, c.fixed);
  const index = [...sample.tokens.keys()].slice(0, c.fixed).concat(selected.index.map((i) => i + c.fixed));
  const content = selected.content ?? selected.index.map((i) => free.tokens[i]!);
  return { ...selected, index, content: [...sample.tokens.slice(0, c.fixed), ...content] };
}

const numbers = (t: HostTensor): number[] => Array.from(t.data as ArrayLike<number | bigint>, Number);
const largestDifference = (x: readonly number[], y: readonly number[]): number => {
  expect(x).toHaveLength(y.length);
  return x.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i]!)), 0);
};

async function check(c: Case, name = c.method.name): Promise<void> {
  const batch = samples(c, 3);
  const out = await run(c, batch);
  const want = batch.map((s) => expected(c, name, s));
  const count = c.keep + c.fixed;
  expect(out.index.dims).toEqual([3, count]);
  expect(out.index.dtype).toBe(DType.INT64);
  expect(numbers(out.index)).toEqual(want.flatMap((w) => w.index));
  expect(out.kept.dims).toEqual([3, count, WIDTH]);
  expect(largestDifference(numbers(out.kept), want.flatMap((w) => w.content.flat()))).toBeLessThan(2e-5); // prettier-ignore
  if (!want[0]!.sizes) return expect(out.sizes).toBeUndefined();
  const sizes = batch.flatMap((s, i) => [...(c.without?.includes('sizes') ? Array<number>(c.fixed).fill(1) : s.sizes.slice(0, c.fixed)), ...want[i]!.sizes!]); // prettier-ignore
  expect(largestDifference(numbers(out.sizes!), sizes)).toBeLessThan(1e-5);
}

const GRIDS = [[6, 6], [5, 7], [4, 8]] as const; // prettier-ignore

/** About every level in which a method could differ: one token, few, half, nearly all. */
function keeps(method: TokenMethod, grid: readonly [number, number], fixed: number): number[] {
  const n = grid[0] * grid[1];
  const wanted = [1, 4, 9, n - 7, n - 1];
  const levels = method.levels?.({ count: n + fixed, fixed, grid });
  const nearest = (k: number): number => levels?.findLast((x) => x <= k) ?? levels?.[0] ?? k;
  return [...new Set(wanted.map(nearest))].filter((k) => k < n);
}

describe.each(TOKEN_METHODS.map((method) => [method.name, method] as const))('%s', (name, method) => {
  const cases = GRIDS.flatMap(
    (grid, g) =>
    keeps(method, grid, g).map((keep, k): Case => ({ method, grid, fixed: g, keep, opset: [11, 12, 13, 18, 21][(g + k) % 5]! })), // prettier-ignore
  );

  it('equals its reference at several sizes, with fixed tokens and a batch', async () => {
    expect(REFERENCES).toHaveProperty(name);
    for (const c of cases) await check(c);
  });

  it('treats each sample as if it were alone', async () => {
    const c: Case = { method, grid: [6, 6], fixed: 1, keep: 9, opset: 17 };
    const batch = samples(c, 3);
    const together = await run(c, batch);
    for (const [i, sample] of batch.entries()) {
      const alone = await run(c, [sample]);
      const part = (t: HostTensor): number[] => numbers(t).slice((i * t.data.length) / 3, ((i + 1) * t.data.length) / 3); // prettier-ignore
      expect(part(together.index)).toEqual(numbers(alone.index));
      expect(largestDifference(part(together.kept), numbers(alone.kept))).toBeLessThan(1e-6);
    }
  });

  it('is the identity where all tokens stay', async () => {
    const c: Case = { method, grid: [4, 4], fixed: 1, keep: 16, opset: 17 };
    const batch = samples(c, 2);
    const out = await run(c, batch);
    expect(numbers(out.index)).toEqual([...Array(17).keys(), ...Array(17).keys()]);
    expect(numbers(out.kept)).toEqual(batch.flatMap((s) => s.tokens.flat()));
  });

  it('selects distinct tokens in order where all are equal, and repeats them', async () => {
    const c: Case = { method, grid: [6, 6], fixed: 1, keep: 12, opset: 17 };
    const [sample] = samples(c, 1);
    const same = <T>(x: T[]): T[] => x.map(() => x[0]!);
    const flat = { ...sample!, tokens: same(sample!.tokens), keys: same(sample!.keys), attention: same(sample!.attention) }; // prettier-ignore
    const first = await run(c, [flat, flat]);
    const index = numbers(first.index);
    expect(index.slice(0, 13)).toEqual(index.slice(13));
    expect(new Set(index).size).toBe(13);
    expect(index.slice(0, 13)).toEqual([...new Set(index)].sort((x, y) => x - y));
    expect(numbers(first.kept).every(Number.isFinite)).toBe(true);
    expect(numbers((await run(c, [flat, flat])).index)).toEqual(index);
  });

  it('refuses numbers of tokens that it cannot keep, and missing inputs', () => {
    const base: Case = { method, grid: [6, 6], fixed: 0, keep: 9, opset: 17 };
    expect(() => build({ ...base, keep: 0 })).toThrow('cannot keep 0 of 36');
    expect(() => build({ ...base, keep: 37 })).toThrow('cannot keep 37 of 36');
    expect(() => build({ ...base, opset: 10 })).toThrow('operator set 11');
    const input = method.needs.find((need) => need === 'attention' || need === 'keys');
    if (input) expect(() => build({ ...base, without: [input] })).toThrow(`needs ${input}`);
  });
});

const named = (name: string): TokenMethod => tokenMethod(name)!;
const base = { grid: [6, 6], fixed: 1, opset: 17 } as const;

it('dpp weighs tokens by their relevance', async () => {
  for (const keep of [1, 7, 20]) await check({ ...base, method: named('dpp'), keep, with: ['relevance'] });
});

it('dpp and divprune go on where the kept tokens span all features', async () => {
  // 30 tokens in 24 dimensions: the last ones are combinations of the others.
  await check({ ...base, method: named('dpp'), keep: 30 });
  await check({ ...base, method: named('divprune'), keep: 30 });
});

it('stratified uses attention where it is given', async () => {
  for (const keep of [1, 5, 12]) {
    await check({ ...base, method: named('stratified'), keep, with: ['attention'] }, 'stratified-by-attention');
  }
});

it('tome starts from one original token each where sizes are absent', async () => {
  await check({ ...base, method: named('tome'), keep: 11, without: ['sizes'] });
});

it('evit and visionzip favour tokens by attention and break ties by the lower index', async () => {
  const c: Case = { ...base, fixed: 0, method: named('evit'), keep: 4 };
  const [sample] = samples(c, 1);
  const attention = sample!.attention.map((_, i) => (i === 20 || i === 30 ? 2 : i < 10 ? 1 : 0.5) / 64);
  const out = await run(c, [{ ...sample!, attention }]);
  expect(numbers(out.index)).toEqual([0, 1, 20, 30]);
});

it('pool offers the divisions of a grid into nearly square cells', () => {
  const levels = named('pool').levels!({ count: 65, fixed: 1, grid: [8, 8] });
  expect(levels).toEqual(expect.arrayContaining([1, 4, 16, 32, 64]));
  expect(levels).not.toContain(7);
  expect(named('pool').levels!({ count: 65, fixed: 1 })).toEqual([]);
});

it('receivedAttention reads the row of the class token, or the mean of all rows', async () => {
  const model = new Model();
  model.opsets.set('', 17);
  const p = model.graph.addInput('p', { elemType: DType.FLOAT, shape: ['B', 2, 3, 3] });
  const b = new GraphBuilder(model.graph, 17);
  model.graph.outputs.push(receivedAttention(b, p, true), receivedAttention(b, p, false));
  const session = await executor.open(model);
  const data = Float32Array.from({ length: 18 }, (_, i) => i);
  const out = Object.values(await session.run({ p: { dtype: DType.FLOAT, dims: [1, 2, 3, 3], data } }));
  await session.release();
  expect(out.map(numbers)).toEqual([[4.5, 5.5, 6.5], [7.5, 8.5, 9.5]]); // prettier-ignore
});
