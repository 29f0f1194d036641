// Runs command-line tools as checks, a few at a time, and prints the output of each when it ends.
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '..');
const bin = (name) => join(root, 'node_modules', name);

/** Caches of the fast lane; node_modules is never committed, and a fresh install starts with none. */
export const CACHE = join(root, 'node_modules/.cache/secateur');

/**
 * The type checks as [name, script, ...arguments], the longest first so that the short ones fill the gaps. Each room is
 * checked with only the libraries and globals that it may use. With `incremental`, tsc stores in CACHE what it has checked.
 */
export function typeChecks({ incremental = false } = {}) {
  const tsc = (name, project) => [
    `types: ${name}`,
    bin('typescript/bin/tsc'),
    '-p',
    project,
    ...(incremental ? ['--incremental', '--tsBuildInfoFile', join(CACHE, `${project.replace(/\W/g, '-')}.json`)] : []),
  ];
  return [
    tsc('everything that runs on Node', 'tsconfig.json'),
    [
      'types: renderer',
      bin('svelte-check/bin/svelte-check'),
      '--tsconfig',
      'src/renderer/tsconfig.json',
      '--fail-on-warnings',
      '--output',
      'human',
    ],
    tsc('engine and shared: no Node, no DOM', 'tsconfig.engine.json'),
    tsc('window tests', 'test/e2e/tsconfig.json'),
    tsc('preload', 'src/preload/tsconfig.json'),
  ];
}

/** The linter without the rules that need types; `npm run lint` runs all rules. */
export const fastLint = [
  'lint: rules that need no types',
  bin('eslint/bin/eslint.js'),
  '.',
  '--config',
  'eslint.fast.config.js',
  '--max-warnings',
  '0',
  '--cache',
  '--cache-strategy',
  'content',
  '--cache-location',
  join(CACHE, 'eslint'),
];

/** Unit tests that load no native code and start no process. */
export const fastTests = [
  'unit tests of pure code',
  bin('vitest/vitest.mjs'),
  'run',
  '--config',
  'vitest.fast.config.ts',
  '--reporter',
  'minimal',
];

/** Resolves to whether the check passed. Output is buffered so that two checks do not mix theirs. */
function run([name, script, ...args]) {
  return new Promise((done) => {
    const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child.on('error', (e) => (output += `${e.message}\n`));
    child.on('close', (status) => {
      process.stdout.write(`${output}${status === 0 ? 'ok  ' : 'FAIL'} ${name}\n`);
      done(status === 0);
    });
  });
}

/** Runs the checks, at most `atOnce` at a time; resolves to the number that failed. */
export async function runChecks(checks, atOnce) {
  let next = 0;
  let failed = 0;
  const worker = async () => {
    while (next < checks.length) if (!(await run(checks[next++]))) failed++;
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, checks.length) }, worker));
  return failed;
}
