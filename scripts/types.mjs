// npm run types: type-checks every room with only the libraries and globals it may see, then the Svelte files.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const bin = (name) => join(root, 'node_modules', name);
const tsc = bin('typescript/bin/tsc');
// The longest first: what is short fills the gaps.
const checks = [
  [
    'renderer',
    bin('svelte-check/bin/svelte-check'),
    '--tsconfig',
    'src/renderer/tsconfig.json',
    '--fail-on-warnings',
    '--output',
    'human',
  ],
  ['everything that runs on Node', tsc, '-p', 'tsconfig.json'],
  ['window tests', tsc, '-p', 'test/e2e/tsconfig.json'],
  ['engine and shared: no Node, no DOM', tsc, '-p', 'tsconfig.engine.json'],
  ['preload', tsc, '-p', 'src/preload/tsconfig.json'],
];

/** Whether the check passed. What it printed is shown when it has ended, so that no two are mixed. */
function check([name, script, ...args]) {
  return new Promise((done) => {
    const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
    child.on('error', (e) => (said += `${e.message}\n`));
    child.on('close', (status) => {
      process.stdout.write(`${said}${status === 0 ? 'ok  ' : 'FAIL'} types: ${name}\n`);
      done(status === 0);
    });
  });
}

let next = 0;
let failed = 0;
async function worker() {
  while (next < checks.length) if (!(await check(checks[next++]))) failed++;
}
// Each takes a gigabyte or so: more at a time than this gain little.
await Promise.all(Array.from({ length: Math.min(3, availableParallelism()) }, worker));
process.exitCode = failed ? 1 : 0;
