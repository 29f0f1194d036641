import { spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Memo, pruneMemos } from './memo.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'secateur-memo-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
const file = (): string => join(folder, readdirSync(folder)[0]!);

describe('figures kept one by one', () => {
  it('are there in the next run, under their own key only', () => {
    const a = new Memo(folder, 'output change', { model: 'm', seed: 1 });
    a.put('x', 1.5);
    a.put('y\n"quoted"', -0.25);
    expect(a.get('x')).toBe(1.5);
    expect(a.get('z')).toBeUndefined();
    const again = new Memo(folder, 'output change', { seed: 1, model: 'm' });
    expect([again.get('x'), again.get('y\n"quoted"')]).toEqual([1.5, -0.25]);
    expect(new Memo(folder, 'output change', { model: 'm', seed: 2 }).get('x')).toBeUndefined();
    expect(new Memo(folder, 'other', { model: 'm', seed: 1 }).get('x')).toBeUndefined();
  });

  it('go when nobody has used them for long', () => {
    new Memo(folder, 'old', 1).put('x', 1);
    utimesSync(file(), 0, 0);
    new Memo(folder, 'fresh', 1).put('x', 1);
    expect(pruneMemos(folder, 86_400_000)).toEqual({ removed: 1, bytes: expect.any(Number) });
    expect(readdirSync(folder)).toHaveLength(1);
    expect(new Memo(folder, 'fresh', 1).get('x')).toBe(1);
    // Opening a memo counts as using it.
    utimesSync(file(), 0, 0);
    new Memo(folder, 'fresh', 1);
    expect(pruneMemos(folder, 86_400_000).removed).toBe(0);
    expect(pruneMemos(join(folder, 'nowhere'), 0).removed).toBe(0);
  });

  it('lose nothing but the line that was being written', () => {
    const a = new Memo(folder, 'm', 1);
    a.put('first', 1);
    a.put('second', 22.5);
    const whole = readFileSync(file()).length;
    for (let cut = 1; cut < 14; cut++) {
      truncateSync(file(), whole - cut);
      const b = new Memo(folder, 'm', 1);
      expect([b.get('first'), b.get('second')]).toEqual([1, undefined]);
      // A line written after the incomplete one is read again.
      b.put('third', 3);
      const c = new Memo(folder, 'm', 1);
      expect([c.get('first'), c.get('second'), c.get('third')]).toEqual([1, undefined, 3]);
      writeFileSync(file(), '\n["first",1]\n["second",22.5]');
    }
  });

  it('ignore lines that are none', () => {
    new Memo(folder, 'm', 1).put('a', 1);
    appendFileSync(file(), '\n[1,2]\n["b","c"]\nnull\n{}\n["d",null]\n\u0000\n["e",5]\n');
    const m = new Memo(folder, 'm', 1);
    expect(['a', 'b', 'd', 'e'].map((k) => m.get(k))).toEqual([1, undefined, undefined, 5]);
  });

  it('are all there when several processes write at once', async () => {
    const script = `
      import { Memo } from ${JSON.stringify(join(import.meta.dirname, 'memo.ts'))};
      const m = new Memo(${JSON.stringify(folder)}, 'm', 1);
      for (let i = 0; i < 200; i++) m.put(process.argv[1] + ' ' + i, i / 7);`;
    const run = (name: string): Promise<number | null> =>
      new Promise((resolve) =>
        spawn(process.execPath, ['--input-type=module', '-e', script, name], { stdio: 'inherit' }).on('close', resolve),
      );
    expect(await Promise.all(['a', 'b', 'c'].map(run))).toEqual([0, 0, 0]);
    const m = new Memo(folder, 'm', 1);
    for (const name of ['a', 'b', 'c'])
      for (let i = 0; i < 200; i++) expect(m.get(`${name} ${i}`), `${name} ${i}`).toBe(i / 7);
  });
});
