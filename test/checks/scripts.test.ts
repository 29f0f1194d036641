import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../support/files.ts';

const node = (args: string[], env: NodeJS.ProcessEnv = {}): { status: number | null; out: string; err: string } => {
  const r = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', env: { ...process.env, ...env } });
  return { status: r.status, out: r.stdout, err: r.stderr };
};

it('run.mjs runs TypeScript that uses the operator registry, and passes arguments on', () => {
  const { status, out, err } = node(['scripts/run.mjs', 'test/support/print-operators.ts', '--a', 'b c']);
  expect(err).toBe('');
  expect(status).toBe(0);
  const files = readdirSync(join(ROOT, 'src/main/engine/ops')).filter(
    (f) => f.endsWith('.ts') && !f.endsWith('.test.ts'),
  );
  const seen = JSON.parse(out) as { operators: number; shapes: number; args: string[] };
  expect(seen.operators).toBeGreaterThanOrEqual(files.length - 2);
  expect(seen).toMatchObject({ shapes: 10, args: ['--a', 'b c'] });
});

it('run.mjs fails when the script fails', () => {
  expect(node(['scripts/run.mjs', 'test/support/no-such-file.ts']).status).not.toBe(0);
  expect(node(['scripts/run.mjs']).status).toBe(2);
});

it('bench.mjs lists the benchmarks when the name is not one', () => {
  const { status, err } = node(['scripts/bench.mjs', 'no-such-benchmark']);
  expect(status).toBe(2);
  expect(err).toContain('There is no bench/no-such-benchmark.ts.');
});

it('start.mjs opens the window in the browser when there is no Electron binary, and says so in one line', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'secateur-electron-'));
  const child = spawn(process.execPath, ['scripts/start.mjs'], {
    cwd: ROOT,
    env: { ...process.env, ELECTRON_OVERRIDE_DIST_PATH: empty, SECATEUR_HOME: empty, DISPLAY: '', WAYLAND_DISPLAY: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stderr.on('data', (c: Buffer) => (err += c.toString()));
  const ended = new Promise((done) => child.on('exit', done));
  await new Promise<void>((done) => {
    child.stdout.on('data', (c: Buffer) => /#\S+/.test((out += c.toString())) && done());
    void ended.then(() => done());
  });
  child.kill('SIGINT');
  await ended;
  rmSync(empty, { recursive: true, force: true });
  expect(out).toMatch(/http:\/\/127\.0\.0\.1:\d+\/#/);
  expect(err).toContain('npx install-electron');
}, 60_000);
