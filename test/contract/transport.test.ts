// The same requests over every transport: a call in this process, HTTP, and Electron's IPC up to
// the channel.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Reply } from '../../src/shared/contract/routes.ts';
import { PRESETS } from '../../src/shared/model/recipes.ts';
import { openServices, type Services } from '../../src/main/services/index.ts';
import type { BrowserWindow } from 'electron';
import { connectIpc, type IpcOptions } from '../../src/main/app/ipc.ts';
import { serveWindow, type HttpWindow } from '../../src/main/transport/http.ts';
import { createRouter, type Router } from '../../src/main/transport/router.ts';
import { keptToken, lastPort } from '../../src/main/services/served-token.ts';

const root = resolve(import.meta.dirname, '../..');
const lines: string[] = [];
let home: string;
let services: Services;
let router: Router;
let served: HttpWindow;

beforeAll(async () => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'secateur-transport-')));
  const spawner = {
    spawn: () => {
      throw new Error('no request of this test starts a worker');
    },
  };
  services = openServices({ home, spawner, resources: join(root, 'resources') });
  await services.settings.set({ outFolder: join(home, 'bundles') });
  writeFileSync(join(home, 'own.onnx'), 'x');
  writeFileSync(join(home, 'index.html'), '<!doctype html>');
  const log = (line: string): unknown => lines.push(line);
  router = createRouter(services, { version: '1.2.3', mode: 'served', start: home, log });
  router.grant(join(home, 'own.onnx'));
  served = await serveWindow({
    router,
    root: home,
    port: 0,
    log,
    tokenFor: (port) => keptToken(join(home, 'served.json'), port),
    upload: (id, name, content) => services.uploads.write(id, name, content),
  });
});
afterAll(async () => {
  await served.close();
  await services.close();
  rmSync(home, { recursive: true });
});

const SAMPLE = join(root, 'resources/samples/scenes-vlm');
const REDUCED = { package: SAMPLE, method: 'dpp', keep: 4, settings: {}, threads: 1, provider: 'cpu' };

type Ask = (route: string, input?: unknown) => Promise<Reply<unknown>>;
const overHttp: Ask = async (route, input) => {
  const { body } = await send({ body: JSON.stringify({ route, input }) });
  return JSON.parse(body) as Reply<unknown>;
};
const inProcess: Ask = (route, input) => router.call(route, input, { transport: 'local' });

/** Calls the handler as Electron would: from the window's own main frame at its own address. */
const overIpc: Ask = async (route, input) => {
  const channels = new Map<string, (event: unknown, ...args: unknown[]) => unknown>();
  const put = (name: string, handler: (event: unknown) => unknown): unknown => channels.set(name, handler);
  const webContents = { send: () => undefined };
  connectIpc({
    ipc: { handle: put, on: put } as unknown as IpcOptions['ipc'],
    router,
    window: () => ({ webContents, isDestroyed: () => false }) as unknown as BrowserWindow,
    log: (line) => lines.push(line),
  });
  const event = { sender: webContents, senderFrame: { url: 'app://secateur/index.html', parent: null } };
  // A message over IPC is passed as a structured clone.
  return structuredClone(await channels.get('request')!(event, route, structuredClone(input))) as Reply<unknown>;
};

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | undefined>;
  readonly body?: string;
}
function send(o: Sent): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  const headers = {
    host: `127.0.0.1:${served.port}`,
    authorization: `Bearer ${served.token}`,
    'content-type': 'application/json',
    ...o.headers,
  };
  return new Promise((done, fail) => {
    const r = httpRequest(
      {
        agent: false,
        host: '127.0.0.1',
        port: served.port,
        method: o.method ?? 'POST',
        path: o.path ?? '/api/request',
        headers: Object.fromEntries(Object.entries(headers).filter(([, v]) => v !== undefined)),
      },
      (response) => {
        let body = '';
        response.on('data', (c: Buffer) => (body += c.toString()));
        response.on('end', () => done({ status: response.statusCode!, body, headers: response.headers }));
      },
    );
    r.on('error', fail);
    r.end(o.body);
  });
}

for (const [name, ask] of [
  ['in this process', inProcess],
  ['over HTTP', overHttp],
  ['over IPC', overIpc],
] as const)
  describe(`requests ${name}`, () => {
    it('are answered with data', async () => {
      expect(await ask('settings.get', {})).toMatchObject({ ok: true, data: { theme: 'system', threads: 1 } });
      expect(await ask('jobs.list', {})).toMatchObject({ ok: true, data: { jobs: [], paused: false } });
      const samples = await ask('models.samples', {});
      expect(samples).toMatchObject({ ok: true, data: [{ id: 'scenes' }, { id: 'scenes-vlm' }] });
      const list = await ask('files.list', { folder: home, kind: 'model' });
      expect(list).toMatchObject({ ok: true });
      expect(JSON.stringify(list)).toContain('own.onnx');
      const recipes = (await ask('recipes.list', {})) as { data: { criteria: { name: string }[] } };
      expect(await ask('bundles.list', {})).toEqual({ ok: true, data: [] });
      expect(recipes.data.criteria.map((c) => c.name)).toContain('taylor');
    });

    it.each([
      ['no.such.route', {}, 'request-invalid'],
      ['toString', {}, 'request-invalid'],
      ['jobs.get', {}, 'request-invalid'],
      ['jobs.get', { id: 'x', more: 1 }, 'request-invalid'],
      ['jobs.get', { id: 'nothing' }, 'job-not-found'],
      ['models.inspect', { model: '/etc/passwd' }, 'path-refused'],
      ['models.inspect', { model: 'a\0b' }, 'request-invalid'],
      ['models.inspect', { model: 7 }, 'request-invalid'],
      ['files.pick', { path: 'etc' }, 'path-not-absolute'],
      ['files.pick', { path: '/no/such/file' }, 'file-not-found'],
      ['files.pick', { path: '/dev/null' }, 'file-unreadable'],
      ['files.list', { folder: '/no/such/folder', kind: 'model' }, 'file-not-found'],
      ['settings.set', { threads: 4000 }, 'threads-too-many'],
      ['budget.reach', { model: '/x', threads: 4000, batch: 1, provider: 'cpu' }, 'threads-too-many'],
      ['uploads.begin', { files: 1, bytes: 2 ** 50 }, 'upload-too-large'],
      ['settings.set', { outFolder: '/etc/secateur' }, 'path-refused'],
      ['settings.set', { theme: 'loud' }, 'request-invalid'],
      ['bundles.reveal', { path: '/etc' }, 'path-refused'],
      ['bundles.verify', { bundle: '/etc' }, 'path-refused'],
      ['bundles.delete', { path: '/etc' }, 'path-refused'],
      ['bundles.delete', { path: 'out' }, 'path-refused'],
      ['models.family', { sha256: '../x', family: 'cnn' }, 'request-invalid'],
      ['models.family', { sha256: '0'.repeat(64), family: 'rnn' }, 'request-invalid'],
      ['devices.forget', {}, 'request-invalid'],
      ['tokens.look', { package: '/etc' }, 'path-refused'],
      ['tokens.write', { ...REDUCED, method: '../../x' }, 'request-invalid'],
      ['tokens.write', { ...REDUCED, package: '/etc' }, 'path-refused'],
      ['tokens.write', { ...REDUCED, image: '/etc/passwd' }, 'path-refused'],
      ['tokens.times', { ...REDUCED, threads: 4000 }, 'request-invalid'],
      ['tokens.cells', { package: SAMPLE, image: '/etc/passwd', method: 'dpp', keep: 4 }, 'path-refused'],
      ['answers.ask', { ask: 'a', package: SAMPLE, image: '/etc/passwd', threads: 1, provider: 'cpu' }, 'path-refused'],
      ['answers.ask', { ask: 'a', package: SAMPLE, prompt: 'x', threads: 4000, provider: 'cpu' }, 'threads-too-many'],
    ])('%s %j is answered with %s', async (route, input, code) => {
      lines.length = 0;
      expect(await ask(route, input)).toMatchObject({ ok: false, error: { code } });
      if (code.endsWith('-refused') || code.endsWith('-invalid')) expect(lines.join()).toContain('refused');
    });

    it('refuse a job whose budget or recipe is not whole', async () => {
      const good = {
        model: join(home, 'own.onnx'),
        budget: { ratio: 0.5, percentile: 50, threads: 1, batch: 1, provider: 'cpu' },
        recipe: PRESETS.fast,
        seed: 0,
      };
      for (const bad of [
        { ...good, budget: { ...good.budget, ms: 3 } },
        { ...good, budget: { ...good.budget, ratio: 2 } },
        { ...good, recipe: { ...PRESETS.fast, floor: 0 } },
        { ...good, recipe: { ...PRESETS.fast, unknown: 1 } },
        { ...good, seed: -1 },
      ])
        expect(await ask('jobs.start', bad)).toMatchObject({ ok: false, error: { code: 'request-invalid' } });
    });
  });

describe('files of the machine that serves', () => {
  it('are listed by name wherever the user may read, and opened only once they were chosen', async () => {
    const outside = realpathSync(mkdtempSync(join(tmpdir(), 'secateur-outside-')));
    try {
      mkdirSync(join(outside, 'blobs'));
      mkdirSync(join(outside, 'models'));
      writeFileSync(join(outside, 'blobs/1234'), 'x');
      symlinkSync(join(outside, 'blobs/1234'), join(outside, 'models/net.onnx'));
      symlinkSync(join(outside, 'models'), join(outside, 'linked'));
      symlinkSync(join(outside, 'circle'), join(outside, 'circle'));
      const list = async (folder: string): Promise<unknown> => (await overHttp('files.list', { folder, kind: 'model' }) as { data: unknown }).data; // prettier-ignore
      expect(await list(outside)).toMatchObject({
        parent: join(outside, '..'),
        entries: [{ name: 'blobs' }, { name: 'linked', kind: 'folder' }, { name: 'models' }],
      });
      expect(await list(join(outside, 'linked'))).toMatchObject({
        folder: join(outside, 'models'),
        entries: [{ name: 'net.onnx', kind: 'file', bytes: 1 }],
      });
      // A whole path may be typed; the path of a file leads to its folder.
      expect(await list(join(outside, 'models/net.onnx'))).toMatchObject({
        folder: join(outside, 'models'),
        file: join(outside, 'models/net.onnx'),
      });

      // Listing a folder does not choose it.
      const named = join(outside, 'linked/net.onnx');
      const reveal = (path: string): Promise<Reply<unknown>> => overHttp('bundles.reveal', { path });
      expect(await reveal(named)).toMatchObject({ ok: false, error: { code: 'path-refused' } });
      // A link keeps its name, with the extension, in its own folder.
      expect(await overHttp('files.pick', { path: named })).toEqual({
        ok: true,
        data: { path: join(outside, 'models/net.onnx'), kind: 'file' },
      });
      expect(await reveal(named)).toMatchObject({ ok: true });
      expect(await reveal(join(outside, 'blobs'))).toMatchObject({ ok: false, error: { code: 'path-refused' } });
      // A link that now leads elsewhere is no longer the chosen file.
      rmSync(join(outside, 'models/net.onnx'));
      symlinkSync('/etc/hostname', join(outside, 'models/net.onnx'));
      expect(await reveal(named)).toMatchObject({ ok: false, error: { code: 'path-refused' } });
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  it('are chosen by the system alone where it has a dialog', async () => {
    const own = createRouter(services, { version: '1', mode: 'electron' });
    for (const [route, input] of [
      ['files.pick', { path: home }],
      ['files.list', { folder: '/etc', kind: 'model' }],
    ] as const)
      expect(await own.call(route, input, { transport: 'ipc' })).toMatchObject({ error: { code: 'path-refused' } });
    expect(await own.call('uploads.begin', { files: 1, bytes: 1 }, { transport: 'ipc' })).toMatchObject({ ok: false });
  });

  it('are uploaded below the data folder, whole or not at all', async () => {
    const begun = await overHttp('uploads.begin', { files: 3, bytes: 8 });
    const { id, folder } = (begun as { data: { id: string; folder: string } }).data;
    expect(folder.startsWith(join(home, 'uploads'))).toBe(true);
    const put = (name: string, body: string, more: Sent = {}): ReturnType<typeof send> =>
      send({ method: 'PUT', path: `/api/upload/${id}/${name}`, body, ...more });
    expect((await put('net.onnx', 'abc', { headers: { authorization: undefined } })).status).toBe(401);
    const path = join(folder, 'a folder/net.onnx');
    expect(JSON.parse((await put('a%20folder/net.onnx', 'abc')).body)).toEqual({ ok: true, data: { path } });
    expect(readFileSync(path, 'utf8')).toBe('abc');
    // A bundle needs no further choice.
    expect(await overHttp('bundles.reveal', { path })).toMatchObject({ ok: true });
    for (const name of ['..%2fx', '%2e%2e/x', 'a/..%5cx', 'a//b', '%00', '%zz']) {
      expect((await put(name, 'x')).status, name).toBeGreaterThanOrEqual(400);
      expect(existsSync(join(home, 'uploads/x')), name).toBe(false);
    }
    const more = await put('more', 'x'.repeat(6));
    expect(JSON.parse(more.body)).toMatchObject({ error: { code: 'upload-failed' } });
    expect(existsSync(join(folder, 'more'))).toBe(false);
    await overHttp('uploads.discard', { id });
    expect(existsSync(folder)).toBe(false);
    expect((await put('late', 'x')).status).toBe(400);
  });
});

describe('the token', () => {
  it('stays with its port, for this user alone', async () => {
    const path = join(home, 'served.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await keptToken(path, served.port)).toBe(served.token);
    const other = await keptToken(path, 1);
    expect(other).not.toBe(served.token);
    expect(await lastPort(path)).toBe(1);
    // Others may have read the file.
    chmodSync(path, 0o644);
    expect(await keptToken(path, 1)).not.toBe(other);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe('HTTP', () => {
  const asked = JSON.stringify({ route: 'settings.get', input: {} });
  it.each<[string, Sent, number]>([
    ['without a token', { headers: { authorization: undefined } }, 401],
    ['with a wrong token', { headers: { authorization: 'Bearer x' } }, 401],
    ['from another page', { headers: { origin: 'http://evil.example' } }, 403],
    ['from an opaque origin', { headers: { origin: 'null' } }, 403],
    ['from another port of this machine', { headers: { origin: 'http://127.0.0.1:1' } }, 403],
    ['by a name that only resolves here', { headers: { host: 'evil.example' } }, 421],
    ['as a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['that is no JSON', { body: '{' }, 400],
    ['without a route', { body: '{}' }, 400],
    ['that is null', { body: 'null' }, 400],
    ['that is too long', { body: `"${'x'.repeat(1_100_000)}"` }, 413],
    ['by another method', { method: 'PUT' }, 404],
    ['to another address', { path: '/api/other' }, 404],
    ['for events without a token', { method: 'GET', path: '/api/events', headers: { authorization: '' } }, 401],
  ])('refuses a request %s', async (_, sent, status) => {
    lines.length = 0;
    const got = await send({ body: asked, ...sent });
    expect(got.status).toBe(status);
    expect(JSON.parse(got.body)).toMatchObject({ ok: false, error: { code: 'request-refused' } });
    expect(lines.join()).toContain('refused http');
  });

  it('takes requests of its own page', async () => {
    const origin = `http://127.0.0.1:${served.port}`;
    expect((await send({ body: asked, headers: { origin } })).status).toBe(200);
  });

  it('serves the window with a policy, and nothing outside its folder', async () => {
    const page = await send({ method: 'GET', path: '/', headers: { authorization: undefined } });
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    for (const path of ['/../etc/passwd', '/%2e%2e/x.html', '/own.onnx', '/settings.json', '/missing.js'])
      expect((await send({ method: 'GET', path })).status).toBe(404);
  });

  it('streams events to those who have the token', async () => {
    const response = await fetch(`http://127.0.0.1:${served.port}/api/events`, {
      headers: { authorization: `Bearer ${served.token}` },
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    await router.call('jobs.pause', { paused: true }, { transport: 'local' });
    let text = '';
    while (!text.includes('}]\n')) text += (await reader.read()).value ?? '';
    expect(JSON.parse(text.trim())).toEqual([{ topic: 'jobs', event: { paused: true } }]);
    // The heartbeat tells a listener that the server is there, even without events.
    expect((await reader.read()).value).toMatch(/^\n+$/);
    await reader.cancel();
    await router.call('jobs.pause', { paused: false }, { transport: 'local' });
  });
});

describe('a request that the page gives up', () => {
  /** A router that never answers and exposes the signal of the request. */
  function waiting(): { router: Router; signal: Promise<AbortSignal> } {
    let tell: (signal: AbortSignal) => void;
    const signal = new Promise<AbortSignal>((done) => (tell = done));
    const call: Router['call'] = (_route, _input, from) => {
      tell(from.signal!);
      return new Promise(() => undefined);
    };
    return { router: { ...router, call }, signal };
  }
  const aborted = (signal: AbortSignal): Promise<void> =>
    new Promise((done) => (signal.aborted ? done() : signal.addEventListener('abort', () => done())));

  it('over HTTP is known by its connection', async () => {
    const held = waiting();
    const own = await serveWindow({ router: held.router, root: home, port: 0, log: () => undefined });
    const abandon = new AbortController();
    const asked = fetch(`http://127.0.0.1:${own.port}/api/request`, {
      method: 'POST',
      headers: { authorization: `Bearer ${own.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ route: 'models.inspect', input: {} }),
      signal: abandon.signal,
    });
    const signal = await held.signal;
    expect(signal.aborted).toBe(false);
    abandon.abort();
    await expect(asked).rejects.toThrow();
    await aborted(signal);
    await own.close();
  });

  it('over IPC is named, or was asked by a page that has been loaded again', async () => {
    for (const end of [
      ['abandon', '7'],
      ['events', 0],
    ] as const) {
      const held = waiting();
      const channels = new Map<string, (event: unknown, ...args: unknown[]) => unknown>();
      const put = (name: string, handler: (event: unknown) => unknown): unknown => channels.set(name, handler);
      const webContents = { send: () => undefined };
      connectIpc({
        ipc: { handle: put, on: put } as unknown as IpcOptions['ipc'],
        router: held.router,
        window: () => ({ webContents, isDestroyed: () => false }) as unknown as BrowserWindow,
        log: () => undefined,
      });
      const event = { sender: webContents, senderFrame: { url: 'app://secateur/index.html', parent: null } };
      void channels.get('request')!(event, 'models.inspect', {}, '7');
      const signal = await held.signal;
      void channels.get('abandon')!(event, '8');
      expect(signal.aborted).toBe(false);
      void channels.get(end[0])!(event, end[1]);
      await aborted(signal);
    }
  });
});
