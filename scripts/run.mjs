// Runs a TypeScript file of this repository that uses `import.meta.glob` (as the operator registry
// does), which plain Node does not support: node scripts/run.mjs FILE [ARGS...]. A default export
// that is a function is called with the arguments.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { createRunnableDevEnvironment, resolveConfig } from 'vite';
import { findNode, newEnough } from '../bin/find-node.mjs';

if (!newEnough()) {
  const { status, error } = spawnSync(findNode(), process.argv.slice(1), { stdio: 'inherit' });
  if (error) throw error;
  process.exit(status ?? 1);
}

const [file, ...args] = process.argv.slice(2);
if (!file) {
  console.error('usage: node scripts/run.mjs FILE [ARGS...]');
  process.exit(2);
}
const path = resolve(file);
process.argv = [process.argv[0], path, ...args];

const config = await resolveConfig(
  {
    configFile: false,
    envDir: false,
    root: resolve(import.meta.dirname, '..'),
    logLevel: 'warn',
    environments: {
      inline: {
        consumer: 'server',
        dev: { moduleRunnerTransform: true },
        resolve: { external: true, mainFields: [], conditions: ['node', 'module-sync'] },
      },
    },
  },
  'serve',
);
const environment = createRunnableDevEnvironment('inline', config, {
  runnerOptions: { hmr: { logger: false } },
  hot: false,
});
await environment.init();
try {
  const { default: main } = await environment.runner.import(path);
  if (typeof main === 'function') await main(args);
} finally {
  await environment.close();
}
