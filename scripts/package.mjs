// npm run package: builds installers for this platform in dist/, according to electron-builder.yml.
// electron-builder is not a dependency, because it brings hundreds of packages and downloads
// Electron and installer tools that nothing else needs.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const builder = join(root, 'node_modules/electron-builder/cli.js');

if (!existsSync(builder)) {
  console.error('electron-builder is not installed: run `npm install --no-save electron-builder@26`, then this again.');
  process.exit(1);
}
for (const [script, ...args] of [
  [join(root, 'node_modules/electron-vite/bin/electron-vite.js'), 'build'],
  [builder, '--config', 'electron-builder.yml', '--publish', 'never', ...process.argv.slice(2)],
]) {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
