import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, sourceFiles } from '../support/files.ts';
import { unusedExports } from './unused-exports.ts';

const sources = (paths: readonly string[]): Map<string, string> =>
  new Map(paths.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]));

describe('exports', () => {
  it('are all imported by the product, the benchmarks or the scripts, or are marked and tested', () => {
    const src = sourceFiles('src', ['.ts', '.svelte']);
    const product = src.filter((f) => !f.endsWith('.test.ts'));
    const tests = [...src.filter((f) => f.endsWith('.test.ts')), ...sourceFiles('test', ['.ts'])];
    const others = [...sourceFiles('bench', ['.ts']), ...sourceFiles('scripts', ['.ts'])];
    expect(unusedExports(sources([...product, ...others]), sources(tests))).toEqual([]);
  });

  const A = 'src/shared/a.ts';
  const check = (files: Record<string, string>, tests: Record<string, string> = {}): string[] =>
    unusedExports(new Map(Object.entries(files)), new Map(Object.entries(tests)));

  it.each([
    ['a function', 'export function a() {}', `${A}:1: a`],
    ['a constant', '\nexport const a = 1;', `${A}:2: a`],
    ['one of several constants', 'export const [b, { c: a }] = x; void b;', `${A}:1: a`],
    ['a class', 'export class a {}', `${A}:1: a`],
    ['a type that nothing names', 'export type a = number;', `${A}:1: a`],
    ['a name passed on', `export { a } from './b.ts';`, `${A}:1: a`],
    ['a value that only its own file uses', 'export const a = 1;\nconsole.log(a);', `${A}:1: a`],
    ['a marked export without a test', '/** @internal */ export const a = 1;', `${A}:1: a`],
  ])('refuses %s', (_, source, finding) => {
    expect(check({ [A]: source, 'src/shared/user.ts': `import { b } from './a.ts';` })).toContain(finding);
  });

  it('refuses an export that only a test imports, unless it is marked', () => {
    const test = { 'src/shared/a.test.ts': `import { a } from './a.ts';` };
    expect(check({ [A]: 'export const a = 1;' }, test)).toEqual([`${A}:1: a`]);
    expect(check({ [A]: '/** One. @internal */\nexport const a = 1;' }, test)).toEqual([]);
  });

  it.each([
    ['an import', `import { a } from './a.ts';`],
    ['an import under another name', `import { a as b } from './a.ts';`],
    ['a type import', `import type { a } from './a.ts';`],
    ['a type named in place', `type T = import('./a.ts').a;`],
    ['a whole module', `import * as all from './a.ts';`],
    ['a module loaded later', `await import('./a.ts');`],
  ])('accepts %s', (_, user) => {
    expect(check({ [A]: 'export interface a {}', 'src/shared/user.ts': user })).toEqual([]);
  });

  it('follows a module that passes on, and reads components', () => {
    const files = {
      [A]: 'export const a = 1;\nexport const b = 2;',
      'src/shared/index.ts': `export * from './a.ts';`,
      'src/renderer/ui/X.svelte': `<script lang="ts">\nimport { a } from '../../shared/index.ts';\n</script>`,
    };
    expect(check(files)).toEqual([`${A}:2: b`]);
  });

  it('accepts the exports that a registry reads from its files, a type of a signature, and entries', () => {
    const files = {
      'src/main/engine/kinds/registry.ts': `const all = import.meta.glob<{ kind?: Kind }>(['./*.ts', '!./*.test.ts'], { eager: true });`,
      'src/main/engine/kinds/one.ts': 'export const kind = 1;\nexport const other = 2;',
      [A]: 'export interface Options { n: number }\nexport function f(o: Options) {}',
      'src/shared/user.ts': `import { f } from './a.ts';`,
      'src/main/cli.ts': 'export const main = 1;',
    };
    expect(check(files)).toEqual(['src/main/engine/kinds/one.ts:2: other']);
  });
});
