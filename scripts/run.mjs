// Runs a TypeScript file of this repository that uses `import.meta.glob` (the operator registry does), which Node alone
// cannot: node scripts/run.mjs FILE [ARGS...]. A default export, when it is a function, is called with the arguments.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { createRunnableDevEnvironment, resolveConfig } from 'vite';

// The native parts belong to the Node that comes with the packages: an older one would crash on them without a word.
if (Number(process.versions.node.split('.')[0]) < 22) {
  const own = join(import.meta.dirname, '..', 'node_modules', '.bin', 'node');
  const windows = process.platform === 'win32';
  const { status } = spawnSync(own, process.argv.slice(1), { stdio: 'inherit', shell: windows });
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
