import { expect, it } from 'vitest';
import { loadedBy, pureTests } from './pure-tests.ts';

it('reads the modules that a source loads', () => {
  const source = `import fs from 'node:fs';
import type { A } from './a.ts';
import {
  type B,
  b,
} from './b.ts';
export * from './c.ts';
export type { D } from './d.ts';
import './e.ts';
export const late = () => import('./f.ts');
`;
  expect(loadedBy(source)).toEqual(['node:fs', './b.ts', './c.ts', './e.ts', './f.ts']);
});

it('takes tests of pure code and none that opens the runtime, the database or a process', () => {
  const tests = pureTests();
  expect(tests).toContain('src/main/engine/linalg.test.ts');
  expect(tests).toContain('src/renderer/state/wizard.test.ts');
  expect(tests).not.toContain('src/main/runtime/runtime.test.ts');
  expect(tests).not.toContain('src/main/engine/passes/fold-constants.test.ts');
  expect(tests).not.toContain('src/main/storage/database.test.ts');
  expect(tests).not.toContain('src/main/storage/scratch.test.ts');
  expect(tests.length).toBeGreaterThan(40);
});
