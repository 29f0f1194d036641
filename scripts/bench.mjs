// npm run bench -- NAME [ARGS...] runs bench/NAME.ts; without a name it lists the benchmarks.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const [name, ...args] = process.argv.slice(2);
const names = readdirSync(join(root, 'bench'))
  .filter((f) => f.endsWith('.ts') && f !== 'support.ts')
  .map((f) => f.slice(0, -3));

if (!name || !names.includes(name)) {
  if (name) console.error(`There is no bench/${name}.ts.`);
  console.error('usage: npm run bench -- NAME [ARGS...], with NAME one of:');
  for (const n of names) {
    const first = readFileSync(join(root, 'bench', `${n}.ts`), 'utf8').split('\n', 1)[0];
    console.error(`  ${n.padEnd(16)} ${first.replace(/^\/[/*]+\s*/, '')}`);
  }
  process.exit(2);
}
// Benchmarks start workers of the build, so the build must be up to date.
const build = spawnSync('npm', ['run', '--silent', 'build'], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
  shell: process.platform === 'win32',
});
if (build.status !== 0) process.exit(build.status ?? 1);
const { status } = spawnSync(
  process.execPath,
  [join(root, 'scripts/run.mjs'), join(root, 'bench', `${name}.ts`), ...args],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
process.exit(status ?? 1);
