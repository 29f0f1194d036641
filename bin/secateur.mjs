#!/usr/bin/env node
// Launcher: runs on Node 20 and later, finds the project's own Node, builds if needed, and starts
// the command line.
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail, findNode } from './find-node.mjs';

const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
const built = ['cli.js', 'worker.js'].map((name) => join(root, 'out/main', name));

/**
 * Time of the newest change among the files and folders that the build reads; tests are excluded.
 */
function newestSource() {
  let newest = 0;
  const visit = (path) => {
    const info = statSync(path, { throwIfNoEntry: false });
    if (!info) return;
    if (info.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
    else if (!/\.test\.ts$/.test(path)) newest = Math.max(newest, info.mtimeMs);
  };
  for (const name of ['src', 'electron.vite.config.ts', 'package.json']) visit(join(root, name));
  return newest;
}

function stale() {
  const times = built.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return Math.min(...times) < newestSource() || Math.min(...times) === 0;
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return e.code === 'EPERM';
  }
}

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Creates a lock file that holds the process id; the lock of a dead process is taken over. */
function lock(path) {
  mkdirSync(dirname(path), { recursive: true });
  for (let told = false; ;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return;
    } catch (e) {
      if (e.code !== 'EEXIST') throw e;
    }
    let owner = 0;
    try {
      owner = Number(readFileSync(path, 'utf8'));
    } catch {
      continue;
    }
    // The file was just created, and its owner has not written its id yet.
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (owner > 0 ? !alive(owner) : age > 10_000) rmSync(path, { force: true });
    else if (!told) {
      told = true;
      process.stderr.write('Waiting for another start of Secateur to finish the build.\n');
    }
    sleep(200);
  }
}

function build(node) {
  const bundler = join(root, 'node_modules/electron-vite/bin/electron-vite.js');
  if (!existsSync(bundler)) {
    if (built.every((path) => existsSync(path))) return;
    fail('Secateur is not built, and its build tools are not installed.', 'Run `npm ci` in the folder of Secateur.');
  }
  const path = join(root, 'out', '.build.lock');
  lock(path);
  try {
    // Another start may have built while this one waited.
    if (!stale()) return;
    process.stderr.write('Building Secateur (once after each change) ...\n');
    const { status, stdout, stderr } = spawnSync(node, [bundler, 'build'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (status !== 0) {
      process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
      rmSync(path, { force: true });
      fail('The build failed.', 'Run `npm ci` again; the lines above say what is wrong.');
    }
  } finally {
    rmSync(path, { force: true });
  }
}

const node = findNode();
if (existsSync(join(root, 'src')) && stale()) build(node);

// The fourth channel carries no data; its end tells the command line that this process is gone.
const child = spawn(node, [built[0], ...process.argv.slice(2)], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (e) => fail(`Node could not be started: ${e.message}.`, 'Run `npm ci` in the folder of Secateur.'));
child.on('exit', (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // Some signals cannot end this process in the same way.
    setTimeout(() => process.exit(1), 500);
  } else process.exit(code ?? 1);
});
