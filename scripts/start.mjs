// npm start: builds if needed and opens the window: in Electron when its binary is installed,
// otherwise in the browser. Electron's binary is fetched by `npx install-electron`, never here.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const electron = join(root, 'node_modules/electron');
const pathFile = join(electron, 'path.txt');
const folder = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(electron, 'dist');
const binary = existsSync(pathFile) ? join(folder, readFileSync(pathFile, 'utf8').trim()) : join(folder, 'electron');

if (existsSync(binary)) {
  const build = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (build.status !== 0) process.exit(build.status ?? 1);
  const { status } = spawnSync(binary, [root, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
  process.exit(status ?? 1);
}

console.error(
  "Electron's binary is not installed (`npx install-electron` fetches it), so the window opens in the browser.",
);
const server = spawn(process.execPath, [join(root, 'bin/secateur.mjs'), 'serve', ...process.argv.slice(2)], {
  cwd: root,
  stdio: ['inherit', 'pipe', 'inherit'],
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal));
let opened = false;
server.stdout.on('data', (chunk) => {
  process.stdout.write(chunk);
  const url = /http:\S+/.exec(chunk.toString())?.[0];
  if (!url || opened) return;
  opened = true;
  const [command, ...args] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['cmd', '/c', 'start', ''] : ['xdg-open'];
  // Without a desktop, only the printed address is available.
  if (process.platform === 'linux' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY) return;
  spawn(command, [...args, url], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
});
server.on('exit', (code) => process.exit(code ?? 0));
