/** Packages in the layouts of exporters: each opens, and every phase of its workload runs. */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openPackage } from '../../src/main/pipeline/prepare/open-package.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { randomFeeds } from '../../src/main/runtime/random-inputs.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';

const folder = resolve(import.meta.dirname, '../../../shared/packages');
const names = existsSync(folder) ? readdirSync(folder).filter((n) => !n.endsWith('.md')) : [];

/** Family by the prefix of a package's name. */
const FAMILIES: Readonly<Record<string, string>> = {
  smolvlm: 'vlm',
  llava: 'vlm',
  qwen2vl: 'vlm',
  vitgpt2: 'vlm',
  blip: 'vlm',
  clip: 'dual-encoder',
  sd: 'diffusion',
  dit: 'diffusion',
  ddpm: 'diffusion',
  vmoe: 'vit',
};

describe.skipIf(names.length === 0)('packages of ../shared/packages', () => {
  it.each(names)('%s: every phase runs and gives finite numbers', async (name) => {
    const pkg = openPackage(join(folder, name));
    const family = Object.entries(FAMILIES).find(([start]) => name.startsWith(start))?.[1] ?? 'moe';
    expect(pkg.family).toBe(family);
    const executor = createExecutor();
    for (const phase of pkg.workload.phases) {
      const model = openModelFile(pkg.fileOf(phase.component));
      const session = await executor.open(model, { threads: 1 });
      try {
        const outputs = await session.run(randomFeeds(model, { dims: phase.dims }));
        const first = outputs[model.graph.outputs[0]!.name]!;
        expect(
          first.dims.every((d) => d > 0),
          `${phase.name}: ${first.dims.join(' x ')}`,
        ).toBe(true);
        expect(
          Array.from(first.data as ArrayLike<number>, Number).every(Number.isFinite),
          `${phase.name} is finite`,
        ).toBe(true);
      } finally {
        await session.release();
      }
    }
  });
});

it.skipIf(names.length > 0)('skipped: ../shared/packages is not here', () => undefined);
