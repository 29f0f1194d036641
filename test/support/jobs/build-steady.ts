// Builds the command line with the worker of fixed latencies. Plain Node cannot run the sources,
// since registries of operators are globs that the build resolves.
import { join } from 'node:path';
import { build } from 'vite';
import { ROOT } from '../files.ts';

/**
 * Builds below the repository, so that packages are found. @returns path of the command line's file
 */
export async function buildSteady(name: string): Promise<string> {
  const outDir = join(ROOT, 'out', name);
  await build({
    configFile: false,
    envDir: false,
    root: ROOT,
    logLevel: 'error',
    build: {
      ssr: true,
      outDir,
      target: 'node22',
      minify: false,
      emptyOutDir: true,
      rolldownOptions: {
        input: {
          'steady-cli': join(import.meta.dirname, 'steady-cli.ts'),
          'steady-worker': join(import.meta.dirname, 'steady-worker.ts'),
          session: join(ROOT, 'src/main/session.ts'),
        },
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
      },
    },
  });
  return join(outDir, 'steady-cli.js');
}
