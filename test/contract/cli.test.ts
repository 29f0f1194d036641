/** Tests the command line as a whole: exit codes, one JSON document on standard output, Ctrl-C. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../src/main/cli/run.ts';
import { PRESETS } from '../../src/shared/model/recipes.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { openTestServices } from '../support/jobs/open.ts';
import { ROOT } from '../support/files.ts';
import { residualExample } from '../support/jobs/model.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'secateur-cli-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs in this process, with the tests' worker. */
async function run(...args: string[]): Promise<Run> {
  let out = '';
  let err = '';
  const code = await runCli({
    args,
    io: {
      out: (t) => (out += t),
      err: (t) => (err += t),
      errIsTty: false,
      columns: 80,
      cwd: home,
      debug: false,
    },
    version: '1.2.3',
    open: () => openTestServices(home),
  });
  return { code, out, err };
}

describe('usage', () => {
  it.each([
    [['--version'], 0, /^1\.2\.3$/m],
    [['--help'], 0, /Usage: secateur/],
    [['compress', '--help'], 0, /--budget/],
  ])('%j prints on standard output', async (args, code, text) => {
    const r = await run(...args);
    expect(r.code).toBe(code);
    expect(r.out).toMatch(text);
    expect(r.err).toBe('');
  });

  it.each([
    [[], /no command was given/],
    [['compres', 'x'], /unknown command 'compres' \(Did you mean compress\?\)/],
    [['compress', 'model.onnx'], /required option '--budget <budget>' not specified/],
    [['bench'], /missing required argument 'model'/],
    [['bench', 'model.onnx', '--threads', 'many'], /whole number/],
    [['bench', 'model.onnx', '--treads', '2'], /unknown option '--treads'/],
    [['compress', 'model.onnx', '--budget', '0.5x', '--percentile', '42'], /50, 90, 95 or 99/],
    [['jobs', 'shwo', 'x'], /unknown command|too many arguments/],
  ])('%j is refused with exit code 2 and nothing on standard output', async (args, text) => {
    const r = await run(...args);
    expect(r.code).toBe(2);
    expect(r.out).toBe('');
    expect(r.err).toMatch(text);
    expect(r.err).not.toMatch(/\n\s+at /);
  });
});

describe('errors', () => {
  const model = (): string => {
    const path = join(home, 'model.onnx');
    writeFileSync(path, 'not a model');
    return path;
  };

  it.each([
    ['budget-invalid', 2, () => ['compress', model(), '--budget', 'fast']],
    ['budget-invalid', 2, () => ['compress', model(), '--budget', '1.5x']],
    ['recipe-not-found', 2, () => ['compress', model(), '--budget', '0.5x', '--recipe', 'quick']],
    ['file-not-found', 3, () => ['inspect', 'nowhere.onnx']],
    ['file-not-found', 3, () => ['compress', model(), '--budget', '0.5x', '--data', 'nowhere']],
    ['file-not-found', 3, () => ['verify', 'nowhere']],
    ['job-not-found', 3, () => ['jobs', 'show', 'nothing']],
    ['job-not-found', 3, () => ['jobs', 'resume', 'last']],
    ['usage', 2, () => ['inspect']],
  ] as const)('%s ends with %i and one JSON document', async (code, exit, args) => {
    const r = await run(...args(), '--json');
    expect(r.code).toBe(exit);
    const document = JSON.parse(r.out) as { ok: boolean; error: Record<string, unknown> };
    expect(document).toMatchObject({ ok: false, error: { code } });
    expect(Object.keys(document.error).sort()).toEqual(['code', 'detail', 'message', 'remedy']);
    expect(r.err).toContain(`(${code})`);
  });

  it('says that the data directory cannot be written', async () => {
    writeFileSync(join(home, 'file'), '');
    const before = home;
    home = join(home, 'file');
    const r = await run('jobs', 'list', '--json').finally(() => (home = before));
    expect(r.code).toBe(1);
    expect(JSON.parse(r.out)).toMatchObject({ error: { code: 'home-unwritable' } });
  });
});

describe('jobs', () => {
  it('lists, shows and prunes', async () => {
    expect(JSON.parse((await run('jobs', 'list', '--json')).out)).toEqual({ jobs: [] });
    const services = openTestServices(home);
    const { id } = services.jobs.start('talk', { model: '/somewhere/model.onnx' });
    await services.jobs.settled();
    await services.close();
    expect((await run('jobs')).out).toMatch(new RegExp(`${id}\\s+talk\\s+done\\s+100%.*model\\.onnx`));
    expect(JSON.parse((await run('jobs', 'show', 'last', '--json')).out)).toMatchObject({ id, result: 'done' });
    expect((await run('jobs', 'resume', id)).err).toMatch(/job-done/);
    expect((await run('jobs', 'cancel', id)).code).toBe(3);
    expect(JSON.parse((await run('jobs', 'prune', '--json')).out)).toEqual({ removed: 0, bytes: 0 });
  });
});

describe('recipes', () => {
  const recipe = async (content: unknown): Promise<string> => {
    writeFileSync(join(home, 'r.json'), typeof content === 'string' ? content : JSON.stringify(content));
    writeFileSync(join(home, 'm.onnx'), '');
    const { compressRequest } = await import('../../src/main/services/requests.ts');
    try {
      const r = compressRequest('m.onnx', { budget: '0.5x', device: 'local', recipe: 'r.json', data: 'm.onnx' }, home);
      return JSON.stringify(r.recipe);
    } catch (e) {
      return (e as Error).message;
    }
  };
  it('fill what they leave out from their base', async () => {
    expect(JSON.parse(await recipe({ base: 'fast', criterion: 'l1', recovery: { seconds: 7 } }))).toEqual({
      ...PRESETS.fast,
      name: 'custom',
      criterion: 'l1',
      recovery: { ...PRESETS.fast.recovery, seconds: 7 },
    });
  });
  it.each([
    [{ criterio: 'l1' }, /no key "criterio" \(did you mean "criterion"\?\)/],
    [{ recovery: { second: 1 } }, /no key "recovery\.second" \(did you mean "seconds"\?\)/],
    [{ floor: 2 }, /floor: /],
    [{ keep: { a: 0 } }, /keep\.a: /],
    ['{', /not JSON/],
  ])('%j is refused', async (content, text) => expect(await recipe(content)).toMatch(text));
});

describe('the built command line', () => {
  let model: string;
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'secateur-model-'));
    model = join(folder, 'model.onnx');
    writeFileSync(model, serializeModel(residualExample()));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function start(args: string[]): { done: Promise<Run & { signal: string | null }>; pid: number; err: () => string } {
    const child = spawn(process.execPath, [join(ROOT, 'bin/secateur.mjs'), ...args], {
      cwd: folder,
      env: { ...process.env, SECATEUR_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (d) => (out += String(d)));
    child.stderr.on('data', (d) => (err += String(d)));
    const done = new Promise<Run & { signal: string | null }>((resolve) =>
      child.on('close', (code, signal) => resolve({ code: code ?? -1, signal, out, err })),
    );
    return { done, pid: child.pid!, err: () => err };
  }

  it('inspects a real model: one document, everything else on standard error', async () => {
    const r = await start(['inspect', model, '--json']).done;
    expect(r.err).toMatch(/facts/);
    expect(r.code).toBe(0);
    const report = JSON.parse(r.out) as Record<string, unknown>;
    expect(report).toMatchObject({ family: 'cnn', inputs: [{ name: 'x', dtype: 'float', shape: ['N', 3, 8, 8] }] });
    expect(report['groups']).not.toEqual([]);
  });

  it('refuses a file that is no model with exit code 3', async () => {
    const bad = join(folder, 'bad.onnx');
    writeFileSync(bad, 'PK\u0003\u0004 this is an archive');
    const r = await start(['bench', bad, '--json']).done;
    expect(r.code).toBe(3);
    expect(JSON.parse(r.out)).toMatchObject({ ok: false });
  });

  it('ends on Ctrl-C with 130, and the job is marked', async () => {
    const child = start(['bench', model, '--runs', '100000', '--json']);
    for (let i = 0; i < 15_000 && !child.err().includes('measuring'); i++) await sleep(20);
    process.kill(child.pid, 'SIGINT');
    const r = await child.done;
    expect(JSON.parse(r.out)).toMatchObject({ ok: false, error: { code: 'cancelled' } });
    expect(r.code).toBe(130);
    expect(JSON.parse((await run('jobs', 'list', '--json')).out)).toMatchObject({ jobs: [{ status: 'cancelled' }] });
  });

  it('ends with its launcher when that is killed, and the job can be resumed', async () => {
    const child = start(['bench', model, '--runs', '100000']);
    for (let i = 0; i < 15_000 && !child.err().includes('measuring'); i++) await sleep(20);
    process.kill(child.pid, 'SIGKILL');
    expect((await child.done).signal).toBe('SIGKILL');
    let status = '';
    for (let i = 0; i < 2000 && status !== 'interrupted'; i++) {
      status = (JSON.parse((await run('jobs', 'show', 'last', '--json')).out) as { status: string }).status;
      await sleep(50);
    }
    expect(status).toBe('interrupted');
    expect(existsSync(join(home, 'secateur.db'))).toBe(true);
  });
});

it('documents every exit code', () => {
  const doc = readFileSync(join(ROOT, 'docs/cli.md'), 'utf8');
  for (const code of [0, 1, 2, 3, 4, 5, 6, 130, 143]) expect(doc).toMatch(new RegExp(`^\\| ${code}\\s+\\|`, 'm'));
});
