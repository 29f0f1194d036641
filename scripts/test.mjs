// npm test: build, lint, types, unit tests and window tests, then the ten slowest tests of both.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run-checks.mjs';
import { slowest } from './slowest.mjs';

const folder = join(root, 'out/tests');
const [unit, e2e] = [join(folder, 'unit.json'), join(folder, 'e2e.json')];

/** Runs an npm script of this package; resolves to whether it passed. */
function npm(script, args = [], env = {}) {
  const { status, error } = spawnSync('npm', ['run', '--silent', script, '--', ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
    shell: process.platform === 'win32',
  });
  if (error) throw error;
  return status === 0;
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const passed =
  npm('build') &&
  npm('lint') &&
  npm('types') &&
  npm('test:unit', ['--reporter=default', '--reporter=json', `--outputFile.json=${unit}`]) &&
  npm('test:e2e', ['--reporter=list,json'], { PLAYWRIGHT_JSON_OUTPUT_FILE: e2e });
console.log(slowest(unit, e2e));
process.exitCode = passed ? 0 : 1;
