import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from './scratch.ts';

it('a scratch folder takes away those of processes that are gone, and nothing else', async () => {
  const root = mkdtempSync(join(tmpdir(), 'secateur-test-'));
  try {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const left = join(root, `secateur-scratch-${pid}-abc-x`);
    mkdirSync(left);
    writeFileSync(join(left, 'model.onnx'), 'half');
    const other = join(root, 'secateur-other');
    mkdirSync(other);
    const first = await scratchFolder(root);
    const second = await scratchFolder(root);
    expect(existsSync(left)).toBe(false);
    expect([first, second, other].every((f) => existsSync(f))).toBe(true);
    expect(first).not.toBe(second);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
