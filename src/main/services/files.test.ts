import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileAccess } from './files.ts';

describe('files that the window may name', () => {
  let root: string;
  beforeAll(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'secateur-files-')));
    for (const d of ['mine/images', 'other']) mkdirSync(join(root, d), { recursive: true });
    for (const f of ['mine/a.onnx', 'mine/b.txt', 'mine/.hidden', 'mine/images/1.png', 'other/secret.onnx'])
      writeFileSync(join(root, f), 'x');
    symlinkSync(join(root, 'other'), join(root, 'mine/link'));
  });
  afterAll(() => rmSync(root, { recursive: true }));
  const granted = (...paths: string[]): FileAccess => {
    const files = new FileAccess();
    for (const p of paths) files.grant(join(root, p));
    return files;
  };

  it('are those that were chosen and what lies below chosen folders', () => {
    const files = granted('mine', 'other/secret.onnx');
    expect(files.check(join(root, 'mine/images/1.png'))).toBe(join(root, 'mine/images/1.png'));
    expect(files.check(join(root, 'mine/new/folder'))).toBe(join(root, 'mine/new/folder'));
    expect(files.check(join(root, 'other/secret.onnx'))).toBe(join(root, 'other/secret.onnx'));
  });

  it.each(['other/x', 'mine/../other/secret.onnx', 'mine/link/secret.onnx', 'mine-too', '.'])('are not %s', (path) => {
    expect(() => granted('mine').check(join(root, path))).toThrow(/not chosen/);
  });

  it('are listed with folders first, without those of another kind', () => {
    const { entries, parent } = granted('mine').list(null, 'model');
    expect(entries.map((e) => e.name)).toEqual(['images', 'link', 'a.onnx']);
    expect(parent).toBeNull();
    expect(() => granted('mine').list(join(root, 'other'), 'model')).toThrow(/not chosen/);
  });
});
