import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../support/files.ts';
import { importsOf } from './imports.ts';

/** Packages that the built file loads, directly or through the chunks it imports. */
function packagesOf(entry: string): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const todo = [entry];
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const { specifier } of importsOf(file, readFileSync(file, 'utf8'))) {
      if (specifier.startsWith('.')) todo.push(join(dirname(file), specifier));
      else packages.add(specifier);
    }
  }
  return packages;
}

describe('built bundles', () => {
  const built = (name: string): string => join(ROOT, 'out/main', name);
  beforeAll(() => {
    if (!existsSync(built('worker.js'))) throw new Error('out/ is missing: run `npm run build` first');
  });

  it.each(['cli.js', 'worker.js'])('%s loads no electron', (name) => {
    const packages = packagesOf(built(name));
    expect(packages).toContain('node:fs');
    expect([...packages].filter((p) => p === 'electron' || p.startsWith('electron/'))).toEqual([]);
  });

  it('sees electron where it is', () => {
    expect(packagesOf(built('index.js'))).toContain('electron');
  });

  it('cli.js loads no native inference: that is the work of the worker processes', () => {
    expect(packagesOf(built('worker.js'))).toContain('onnxruntime-node');
    expect(packagesOf(built('cli.js'))).not.toContain('onnxruntime-node');
    expect(packagesOf(built('index.js'))).not.toContain('onnxruntime-node');
  });

  it('session.js, which every thread loads, is little more than the runtime', () => {
    expect([...packagesOf(built('session.js'))].sort()).toEqual(['node:worker_threads', 'onnxruntime-node']);
  });

  it('the preload is CommonJS and requires nothing but electron', () => {
    const source = readFileSync(join(ROOT, 'out/preload/index.cjs'), 'utf8');
    expect(importsOf('preload.ts', source).map((i) => i.specifier)).toEqual(['electron']);
    expect(source).not.toMatch(/^\s*(import|export)\s/m);
  });
});
