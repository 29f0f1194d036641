import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveInside } from './inside.ts';

describe('files of the window', () => {
  let folder: string;
  let root: string;
  const at = (path: string): Promise<string | null> => resolveInside(root, 'secateur', `app://secateur${path}`);

  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'secateur-inside-')));
    root = join(folder, 'renderer');
    mkdirSync(join(root, 'assets'), { recursive: true });
    mkdirSync(join(folder, 'renderer-other'));
    for (const name of ['renderer/index.html', 'renderer/assets/a b.js', 'secret.txt', 'renderer-other/x.js'])
      writeFileSync(join(folder, name), name);
    symlinkSync(join(folder, 'secret.txt'), join(root, 'link.txt'));
    symlinkSync(folder, join(root, 'up'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('finds what is inside', async () => {
    expect(await at('/index.html')).toBe(join(root, 'index.html'));
    expect(await at('/assets/a%20b.js?v=1#x')).toBe(join(root, 'assets/a b.js'));
  });

  it.each([
    '/missing.html',
    '/',
    '/assets',
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/..%5csecret.txt',
    '/link.txt',
    '/up/secret.txt',
    '/..%2frenderer-other/x.js',
    '/index.html%00.js',
    '/%zz',
  ])('refuses %s', async (path) => {
    expect(await at(path)).toBeNull();
  });

  it('refuses another host', async () => {
    expect(await resolveInside(root, 'secateur', 'app://other/index.html')).toBeNull();
  });
});
