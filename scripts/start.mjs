// npm start: builds when needed and opens the window. Electron's binary is fetched by `npx install-electron`, never here.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const electron = join(root, 'node_modules/electron');
const pathFile = join(electron, 'path.txt');
const folder = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(electron, 'dist');
const binary = existsSync(pathFile) ? join(folder, readFileSync(pathFile, 'utf8').trim()) : join(folder, 'electron');

if (!existsSync(binary)) {
  console.error(
    'The Electron binary is not installed: run `npx install-electron` once (it downloads), then `npm start` again.',
  );
  process.exit(1);
}
const build = spawnSync('npm', ['run', '--silent', 'build'], {
  cwd: root,
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (build.status !== 0) process.exit(build.status ?? 1);
const { status } = spawnSync(binary, [root, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
