// npm run types: type-checks every room with only the libraries and globals it may see, then the Svelte files.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const bin = (name) => join(root, 'node_modules', name);
const checks = [
  ['everything that runs on Node', bin('typescript/bin/tsc'), '-p', 'tsconfig.json'],
  ['engine and shared: no Node, no DOM', bin('typescript/bin/tsc'), '-p', 'tsconfig.engine.json'],
  ['window tests', bin('typescript/bin/tsc'), '-p', 'test/e2e/tsconfig.json'],
  ['preload', bin('typescript/bin/tsc'), '-p', 'src/preload/tsconfig.json'],
  [
    'renderer',
    bin('svelte-check/bin/svelte-check'),
    '--tsconfig',
    'src/renderer/tsconfig.json',
    '--fail-on-warnings',
    '--output',
    'human',
  ],
];
let failed = 0;
for (const [name, script, ...args] of checks) {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} types: ${name}`);
  if (status !== 0) failed++;
}
process.exit(failed ? 1 : 0);
