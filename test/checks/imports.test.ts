import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sourceFiles } from '../support/files.ts';
import { circles, importsOf, violations } from './imports.ts';

describe('direction of imports', () => {
  it('holds in every source file', () => {
    const files = sourceFiles('src', ['.ts', '.svelte']).filter((f) => !f.endsWith('.test.ts'));
    expect(files.length).toBeGreaterThan(50);
    expect(files.flatMap((f) => violations(f, readFileSync(f, 'utf8')))).toEqual([]);
  });

  it('makes no circles', () => {
    const files = sourceFiles('src', ['.ts', '.svelte']).filter((f) => !f.endsWith('.test.ts'));
    expect(circles(new Map(files.map((f) => [f, readFileSync(f, 'utf8')])))).toEqual([]);
  });

  it('finds a circle, and not one of types', () => {
    const of = (b: string): string[][] =>
      circles(
        new Map([
          ['src/a.ts', `import { b } from './b.ts';`],
          ['src/b.ts', b],
        ]),
      );
    expect(of(`export { a } from './a.ts';`)).toEqual([['src/a.ts', 'src/b.ts']]);
    expect(of(`import type { A } from './a.ts';`)).toEqual([]);
  });

  // Canaries: imports that the check must refuse. Without them, a checker that finds nothing would
  // pass.
  const refused: [string, string, string][] = [
    ['shared importing the engine', 'src/shared/model/x.ts', `import { Graph } from '../../main/engine/ir/graph.ts';`],
    ['shared importing a package', 'src/shared/model/x.ts', `import { z } from 'zod';`],
    ['the engine reading files', 'src/main/engine/ir/x.ts', `import { readFileSync } from 'node:fs';`],
    ['the engine reading files, bare', 'src/main/engine/ir/x.ts', `import { readFileSync } from 'fs';`],
    ['the engine loading the runtime', 'src/main/engine/x.ts', `const ort = await import('onnxruntime-node');`],
    ['the engine naming the runtime in a type', 'src/main/engine/x.ts', `type T = import('onnxruntime-node').Tensor;`],
    ['the engine re-exporting a stage', 'src/main/engine/x.ts', `export * from '../pipeline/context.ts';`],
    ['a type-only import', 'src/main/engine/x.ts', `import type { A } from '../storage/model-files.ts';`],
    ['the pipeline loading the runtime package', 'src/main/pipeline/x.ts', `import * as ort from 'onnxruntime-node';`],
    ['services loading the runtime', 'src/main/services/x.ts', `import { a } from '../runtime/executor.ts';`],
    ['jobs importing a stage', 'src/main/jobs/x.ts', `import { a } from '../pipeline/context.ts';`],
    ['the command line loading the runtime', 'src/main/cli.ts', `import { a } from './runtime/executor.ts';`],
    ['the command line importing electron', 'src/main/cli.ts', `import { app } from 'electron';`],
    ['services importing electron', 'src/main/services/x.ts', `import { app } from 'electron';`],
    ['anybody importing an entry file', 'src/main/services/x.ts', `import { main } from '../cli.ts';`],
    ['the wire format outside its room', 'src/main/engine/ir/x.ts', `import { Reader } from '../onnx/reader.ts';`],
    ['a glob over another room', 'src/main/engine/x.ts', `import.meta.glob(['../pipeline/*.ts']);`],
    [
      'the window reaching into the app',
      'src/renderer/app/X.svelte',
      `<script lang="ts">\nimport '../../main/app/x.ts'</script>`,
    ],
    ['the window importing electron', 'src/renderer/app/x.ts', `import { ipcRenderer } from 'electron';`],
    ['a stage importing a later one', 'src/main/pipeline/prepare/x.ts', `import { a } from '../search/a.ts';`],
    ['a stage importing what composes it', 'src/main/pipeline/pack/x.ts', `import { a } from '../compress.ts';`],
    ['the pipeline importing a task', 'src/main/pipeline/pack/x.ts', `import { a } from '../../tasks/inspect.ts';`],
    ['a room nobody described', 'src/main/misc/x.ts', ``],
  ];
  it.each(refused)('refuses %s', (_, path, source) => {
    expect(violations(path, source)).toHaveLength(1);
  });

  it('lets providers name the stage context as a type, never as a value', () => {
    const path = 'src/main/storage/x.ts';
    expect(violations(path, `import type { LatencyTable } from '../pipeline/context.ts';`)).toEqual([]);
    expect(violations(path, `import { LatencyTable } from '../pipeline/context.ts';`)).toHaveLength(1);
    expect(violations(path, `import type { Stage } from '../pipeline/other.ts';`)).toHaveLength(1);
  });

  it('reads require, comments and strings as what they are', () => {
    const source = `// import 'electron'\nconst s = "import 'electron'";\nconst e = require('electron');`;
    expect(importsOf('src/x.ts', source)).toEqual([{ specifier: 'electron', line: 3, kind: 'value' }]);
  });
});
