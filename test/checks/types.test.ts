// Canaries for the checks of `npm test`: files with deliberate errors that each check must refuse.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ESLint } from 'eslint';
import { expect, it } from 'vitest';
import { ROOT } from '../support/files.ts';

const run = (script: string, ...args: string[]): { status: number | null; text: string } => {
  const r = spawnSync(process.execPath, [join(ROOT, 'node_modules', script), ...args], { cwd: ROOT, encoding: 'utf8' });
  return { status: r.status, text: r.stdout + r.stderr };
};

it('tsc refuses wrong types, Node and the DOM in the engine', () => {
  const { status, text } = run('typescript/bin/tsc', '-p', 'test/support/canary/engine', '--pretty', 'false');
  expect(status).not.toBe(0);
  const found = [...text.matchAll(/types\.ts\((\d+),\d+\): error /g)].map((m) => Number(m[1]));
  expect(found).toEqual([2, 3, 4, 5, 6]);
});

it('svelte-check refuses wrong types and Node in a component', () => {
  const { status, text } = run(
    'svelte-check/bin/svelte-check',
    '--tsconfig',
    'test/support/canary/renderer/tsconfig.json',
    '--output',
    'machine',
  );
  expect(status).not.toBe(0);
  const lines = [...text.matchAll(/ERROR "[^"]*Wrong\.svelte" (\d+):/g)].map((m) => Number(m[1]));
  expect(lines).toEqual([3, 4, 7]);
});

it('the linter refuses a lost promise, a loose comparison and a thrown string', async () => {
  // Linted under the path of a real source file, so that the rules for that path apply.
  const eslint = new ESLint({ cwd: ROOT });
  const source = readFileSync(join(ROOT, 'test/support/canary/lint/floating.ts'), 'utf8');
  const [result] = await eslint.lintText(source, { filePath: join(ROOT, 'src/shared/contract/errors.ts') });
  expect(result!.messages.map((m) => m.ruleId).sort()).toEqual([
    '@typescript-eslint/no-floating-promises',
    '@typescript-eslint/only-throw-error',
    'eqeqeq',
  ]);
});
