import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArtifactStore } from './artifacts.ts';
import { canonicalJson } from './canonical.ts';

let root: string;
let store: ArtifactStore;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'secateur-artifacts-'));
  store = new ArtifactStore(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (text: string) => async (dir: string) => {
  mkdirSync(join(dir, 'deep'));
  writeFileSync(join(dir, 'deep', 'value.txt'), text);
};
const read = (dir: string): string => readFileSync(join(dir, 'deep', 'value.txt'), 'utf8');

describe('canonicalJson', () => {
  it('does not depend on the order of keys and leaves undefined out', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: undefined, e: -0 })).toBe(
      '{"b":[1,{"c":"x","d":null}],"e":0}',
    );
    expect(canonicalJson({ x: 1, y: 2 })).toBe(canonicalJson({ y: 2, x: 1 }));
  });
  it('tells numbers, strings and big integers apart', () => {
    expect(new Set([1, '1', 1n].map((v) => canonicalJson({ v }))).size).toBe(3);
  });
  it.each([Number.NaN, Infinity, () => 1, new Map(), new Float32Array(2)])('refuses %s', (v) => {
    expect(() => canonicalJson({ v })).toThrow(TypeError);
  });
});

describe('ArtifactStore', () => {
  it('keeps a checkpoint of work that did not end, for the same work alone, and lets go of it at the end', async () => {
    const seen: unknown[] = [];
    const work =
      (fail: boolean) => async (dir: string, c: { read(): Promise<unknown>; write(v: unknown): Promise<void> }) => {
        seen.push(await c.read());
        await c.write({ step: seen.length, weights: new Map([['w', Float32Array.of(1.5)]]) });
        if (fail) throw new Error('cut off');
        await write('done')(dir);
      };
    await expect(store.get('recover', 1, work(true))).rejects.toThrow('cut off');
    await store.get('recover', 2, work(false));
    const again = await new ArtifactStore(root).get('recover', 1, work(false));
    expect(seen).toEqual([null, null, { step: 1, weights: new Map([['w', Float32Array.of(1.5)]]) }]);
    expect(readdirSync(root).filter((n) => n.startsWith('.'))).toEqual([]);
    rmSync(again, { recursive: true });
    // A damaged checkpoint is ignored; an abandoned one is swept.
    const kept = join(root, `.checkpoint-${store.nameOf('recover', 1)}`);
    writeFileSync(kept, 'no such thing');
    await expect(store.get('recover', 1, work(true))).rejects.toThrow('cut off');
    expect(seen.at(-1)).toBe(null);
    await store.sweep();
    expect(readdirSync(root).some((n) => n.startsWith('.checkpoint-'))).toBe(true);
    utimesSync(kept, 0, 0);
    await store.sweep();
    expect(readdirSync(root).filter((n) => n.startsWith('.'))).toEqual([]);
  });

  it('makes once and finds it again, also from another store', async () => {
    const first = await store.get('score', { a: 1, b: 2 }, write('one'));
    const again = await new ArtifactStore(root).get('score', { b: 2, a: 1 }, write('two'));
    expect(again).toBe(first);
    expect(read(again)).toBe('one');
    expect(await store.get('score', { a: 1, b: 3 }, write('other'))).not.toBe(first);
    expect(await store.get('sens', { a: 1, b: 2 }, write('other'))).not.toBe(first);
  });

  it('leaves nothing when making fails, and tries again', async () => {
    const fail = async (dir: string): Promise<void> => {
      writeFileSync(join(dir, 'half'), 'x');
      throw new RangeError('no');
    };
    await expect(store.get('score', 1, fail)).rejects.toThrow(RangeError);
    expect(readdirSync(root)).toEqual([]);
    expect(read(await store.get('score', 1, write('good')))).toBe('good');
  });

  it('gives all concurrent makers the same whole folder', async () => {
    const dirs = await Promise.all(
      Array.from({ length: 8 }, (_, i) => new ArtifactStore(root).get('score', 'k', write(`maker ${i}`))),
    );
    expect(new Set(dirs).size).toBe(1);
    expect(read(dirs[0]!)).toMatch(/^maker \d$/);
    expect(readdirSync(root)).toHaveLength(1);
  });

  it('does not take a folder without its marker for a result', async () => {
    const path = join(root, store.nameOf('score', 'k'));
    mkdirSync(path);
    writeFileSync(join(path, 'half'), 'x');
    expect(await store.has('score', 'k')).toBe(false);
    expect(read(await store.get('score', 'k', write('whole')))).toBe('whole');
    expect(readdirSync(path)).not.toContain('half');
  });

  it('sweeps what dead processes left, and only that', async () => {
    // Process ids end at 2^22 on Linux; no process has this one.
    mkdirSync(join(root, '.tmp-99999999-abc-0123456789ab'));
    let during = 0;
    await store.get('score', 'k', async (dir) => {
      await write('x')(dir);
      during = await store.sweep();
    });
    expect(during).toBe(1);
    expect(await store.list()).toHaveLength(1);
  });

  it('lists sizes and prunes by age, size and recent use', async () => {
    const old = await store.get('a', 1, write('12345'));
    const recent = await store.get('b', 2, write('123'));
    const used = (dir: string, daysAgo: number): void => {
      const at = new Date(Date.now() - daysAgo * 86_400_000);
      utimesSync(join(dir, '.complete.json'), at, at);
    };
    used(old, 40);
    used(recent, 2);
    const list = await store.list();
    expect(list.map((a) => [a.stage, a.bytes])).toEqual([
      ['a', 5],
      ['b', 3],
    ]);
    expect(await store.prune({})).toEqual([]);
    expect((await store.prune({ olderThanMs: 30 * 86_400_000 })).map((a) => a.path)).toEqual([old]);
    expect(await store.prune({ maxBytes: 3 })).toEqual([]);
    await store.get('b', 2, write('never'));
    expect(await store.prune({ maxBytes: 0 }), 'used a moment ago').toEqual([]);
    used(recent, 2);
    expect(await store.prune({ maxBytes: 0 })).toHaveLength(1);
    expect(readdirSync(root)).toEqual([]);
  });
});
