import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { keyed, memos } from '../../../test/support/keyed.ts';
import { ArtifactStore } from '../storage/artifacts.ts';
import { derived, figures, input, jsonFile, now, stage, type Keyed } from './stage.ts';

const home = mkdtempSync(join(tmpdir(), 'secateur-stage-'));
afterAll(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));

let store: ArtifactStore;
let runs: number;
beforeEach(() => {
  store = new ArtifactStore(mkdtempSync(join(home, 'store-')));
  runs = 0;
});
const context = (more: { readonly fail?: boolean } = {}) => ({
  artifact: store.get.bind(store),
  counted: () => void runs++,
  ...more,
});

interface Counting {
  readonly counted: () => void;
  readonly fail?: boolean;
}
const sum = stage({
  name: 'test-sum',
  version: 1,
  inputs: { a: input<number>(), b: input<number>() },
  run: async ({ a, b }, ctx: Counting, { checkpoint }) => {
    ctx.counted();
    const before = (await checkpoint.read()) as number | null;
    await checkpoint.write(a);
    if (ctx.fail) throw new RangeError('cut off');
    return { sum: a + b, resumed: before };
  },
  codec: jsonFile<{ readonly sum: number; readonly resumed: number | null }>('sum.json'),
});
const doubled = derived({
  name: 'test-doubled',
  version: 1,
  inputs: { of: input<{ readonly sum: number }>() },
  run: ({ of }, ctx: Counting) => (ctx.counted(), 2 * of.sum),
});
const counted = figures({ name: 'test-figures', version: 1, inputs: { a: input<number>() } });

describe('a stage', () => {
  it('runs once for its inputs and is taken from the store after that', async () => {
    const given = { a: keyed(2, 'two'), b: keyed(3, 'three') };
    const first = await sum.run(given, context());
    expect(first.value).toEqual({ sum: 5, resumed: null });
    const again = await sum.run(given, context());
    expect([again.value, again.key, runs]).toEqual([first.value, first.key, 1]);
    expect(first.key).toBe(sum.key(given));
  });

  it('has a key of all its inputs, and of nothing else', () => {
    const given = { a: keyed(2, 'two'), b: keyed(3, 'three') };
    expect(sum.inputs).toEqual(['a', 'b']);
    expect(sum.key({ ...given, a: keyed(2, 'other') })).not.toBe(sum.key(given));
    expect(sum.key({ ...given, b: keyed(3, 'other') })).not.toBe(sum.key(given));
    // The same two keys in reverse order are different inputs.
    expect(sum.key({ a: given.b, b: given.a })).not.toBe(sum.key(given));
    const more = { ...given, c: keyed(4, 'four') };
    expect(sum.key(more)).toBe(sum.key(given));
    // The key represents the value: an equal value under another key counts as different.
    expect(sum.key({ ...given, a: keyed(7, 'two') })).toBe(sum.key(given));
  });

  it('has another key under another version and another name', () => {
    const of = (name: string, version: number) =>
      figures({ name, version, inputs: { a: input<number>() } }).key({ a: keyed(1) });
    expect(new Set([of('test-v1', 1), of('test-v2', 2), of('test-v3', 1)]).size).toBe(3);
    expect(() => of('test-v1', 1)).toThrow('two stages are called test-v1');
  });

  it('passes its key on to what is made of it', async () => {
    const [a, b] = [keyed(2, 'two'), keyed(3, 'three')];
    const one = await doubled.run({ of: await sum.run({ a, b }, context()) }, context());
    const same = await doubled.run({ of: await sum.run({ a, b }, context()) }, context());
    const other = await doubled.run({ of: await sum.run({ a, b: keyed(3, 'other') }, context()) }, context());
    expect(one.value).toBe(10);
    expect(same.key).toBe(one.key);
    expect(other.key).not.toBe(one.key);
  });

  it('leaves nothing half-written when it fails, and goes on from its checkpoint', async () => {
    const given = { a: keyed(2, 'two'), b: keyed(3, 'three') };
    const folders = (): string[] => readdirSync(store.root).filter((n) => !n.startsWith('.checkpoint'));
    await expect(sum.run(given, context({ fail: true }))).rejects.toThrow('cut off');
    expect(folders()).toEqual([]);
    const { value } = await sum.run(given, context());
    expect(value).toEqual({ sum: 5, resumed: 2 });
    expect(runs).toBe(2);
    expect(readdirSync(store.root)).toHaveLength(1);
  });

  it('leaves nothing either where its result cannot be written', async () => {
    const broken = stage({
      name: 'test-broken',
      version: 1,
      inputs: {},
      run: () => 1,
      codec: {
        write: (folder: string) => {
          writeFileSync(join(folder, 'half'), 'x');
          throw new RangeError('no room');
        },
        read: () => 1,
      },
    });
    await expect(broken.run({}, context())).rejects.toThrow('no room');
    expect(readdirSync(store.root)).toEqual([]);
  });

  it('says in its folder what it was made of', async () => {
    const given = { a: keyed(2, 'two'), b: keyed(3, 'three') };
    await sum.run(given, context());
    const [folder] = readdirSync(store.root);
    const { key } = JSON.parse(readFileSync(join(store.root, folder!, '.complete.json'), 'utf8')) as { key: unknown };
    expect(key).toEqual({ version: 1, inputs: { a: given.a.key, b: given.b.key } });
  });

  it('takes keyed values only', () => {
    const given = { a: keyed(2, 'two'), b: keyed(3, 'three') };
    // @ts-expect-error a number has no key
    expect(() => sum.key({ ...given, a: 2 })).not.toThrow();
    // @ts-expect-error an object with a key is no keyed value
    sum.key({ ...given, a: { value: 2, key: 'mine' } });
    // @ts-expect-error neither is a keyed value whose value was exchanged
    sum.key({ ...given, a: { ...given.a, value: 3 } });
    // @ts-expect-error nor one of another type
    sum.key({ ...given, a: keyed('2') });
    // @ts-expect-error every input is needed
    expect(() => sum.key({ a: given.a })).toThrow();
    expectTypeOf(doubled.run).returns.resolves.toEqualTypeOf<Keyed<number>>();
  });
});

describe('a derived value', () => {
  const of = keyed({ sum: 4 });
  it('that is made later is made once, under the same key', async () => {
    const later = doubled.later({ of }, context());
    expect([runs, later.key]).toEqual([0, doubled.key({ of })]);
    expect([await later.value(), await later.value(), runs]).toEqual([8, 8, 1]);
    const settled = await now(later);
    expect([settled.value, settled.key, runs]).toEqual([8, later.key, 1]);
  });

  it('may be told by its content too', async () => {
    let unit = 'ms';
    const tagged = derived({
      name: 'test-tagged',
      version: 1,
      inputs: { of: input<{ readonly sum: number }>() },
      run: (v) => `${v.of.sum} ${unit}`,
      content: (text) => text,
    });
    const [first, same] = [await tagged.run({ of }, {}), await tagged.run({ of }, {})];
    unit = 's';
    expect(same.key).toBe(first.key);
    expect((await tagged.run({ of }, {})).key).not.toBe(first.key);
    expect(() => tagged.later({ of }, {})).toThrow('its key needs its content');
  });
});

it('figures are kept under the inputs, and a value measured under them does not change their key', () => {
  const { memo } = memos();
  const [a, other] = [keyed(1, 'a'), keyed(1, 'b')];
  counted.open({ a }, { memo }).put('x', 0.5);
  expect(counted.open({ a }, { memo }).get('x')).toBe(0.5);
  expect(counted.open({ a: other }, { memo }).get('x')).toBeUndefined();
  expect(counted.measured({ a }, 3).key).toBe(counted.measured({ a }, 4).key);
  expect(counted.measured({ a }, 3).key).not.toBe(counted.measured({ a: other }, 3).key);
});
