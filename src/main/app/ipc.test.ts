import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserWindow } from 'electron';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Events, Reply, Topic } from '../../shared/contract/routes.ts';
import type { Router } from '../transport/router.ts';
import { connectIpc, type IpcOptions } from './ipc.ts';

type Handler = (event: unknown, ...args: unknown[]) => unknown;

describe('IPC of the window', () => {
  const channels = new Map<string, Handler>();
  const ipc = {
    handle: (c: string, h: Handler) => channels.set(c, h),
    on: (c: string, h: Handler) => channels.set(c, h),
  };
  const send = vi.fn();
  const contents = { send };
  const window = { webContents: contents, isDestroyed: () => false };
  const frame = { url: 'app://secateur/index.html', parent: null };
  const own = { sender: contents, senderFrame: frame };
  const log = vi.fn();
  const granted: string[] = [];
  let tell: <T extends Topic>(topic: T, event: Events[T]) => void;
  const call = vi.fn<Router['call']>();
  const router: Router = {
    call,
    on: (listener) => {
      tell = listener;
      return () => undefined;
    },
    grant: (path) => void granted.push(path),
  };

  beforeEach(() => {
    vi.resetAllMocks();
    channels.clear();
    granted.length = 0;
    call.mockResolvedValue({ ok: true, data: 7 });
    connectIpc({
      ipc: ipc as unknown as IpcOptions['ipc'],
      router,
      window: () => window as unknown as BrowserWindow,
      log,
    });
  });
  const request = (event: unknown, ...args: unknown[]): Promise<Reply<unknown>> =>
    channels.get('request')!(event, ...args) as Promise<Reply<unknown>>;
  const strangers: [string, unknown][] = [
    ['another window', { sender: { send }, senderFrame: frame }],
    ['a frame inside the page', { ...own, senderFrame: { ...frame, parent: frame } }],
    ['a frame that is gone', { ...own, senderFrame: null }],
    ['another address', { ...own, senderFrame: { ...frame, url: 'https://secateur/index.html' } }],
    ['another host', { ...own, senderFrame: { ...frame, url: 'app://other/index.html' } }],
    ['a host that begins alike', { ...own, senderFrame: { ...frame, url: 'app://secateur.evil/index.html' } }],
    ['no address', { ...own, senderFrame: { ...frame, url: '' } }],
    [
      'a frame that throws when asked',
      {
        ...own,
        senderFrame: {
          parent: null,
          get url(): string {
            throw new Error('Render frame was disposed');
          },
        },
      },
    ],
  ];

  it('hands requests of the window to the router', async () => {
    expect(await request(own, 'jobs.list', {})).toEqual({ ok: true, data: 7 });
    expect(call).toHaveBeenCalledWith('jobs.list', {}, { transport: 'ipc', signal: expect.any(AbortSignal) });
  });

  it.each(strangers)('refuses %s, with a typed reply and a line in the log', async (_, event) => {
    expect(await request(event, 'jobs.list', {})).toMatchObject({ ok: false, error: { code: 'request-refused' } });
    expect(channels.get('dropped')!(event, tmpdir())).toBeNull();
    channels.get('events')!(event, 0);
    tell('jobs', { paused: false });
    expect([call.mock.calls, granted, send.mock.calls]).toEqual([[], [], []]);
    expect(log).toHaveBeenCalledTimes(3);
  });

  it('answers what is no request, and what a defect throws, with an error of the catalogue', async () => {
    expect(await request(own, { name: 'jobs.list' })).toMatchObject({ ok: false, error: { code: 'request-invalid' } });
    expect(await request(own)).toMatchObject({ ok: false, error: { code: 'request-invalid' } });
    call.mockRejectedValue(new TypeError('a defect'));
    expect(await request(own, 'jobs.list', {})).toMatchObject({ ok: false, error: { code: 'internal' } });
  });

  it('grants a dropped path that is there, and nothing else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'secateur-drop-'));
    const drop = (path: unknown): unknown => channels.get('dropped')!(own, path);
    expect(drop(folder)).toBe(folder);
    for (const path of [join(folder, 'gone'), 'relative.onnx', '', 7, `${folder}\0x`, `/${'x'.repeat(5000)}`, null])
      expect(drop(path)).toBeNull();
    expect(granted).toEqual([folder]);
    rmSync(folder, { recursive: true });
  });

  it('sends what the router tells once the page listens, and the next after it was taken', () => {
    tell('jobs', { paused: true });
    expect(send).not.toHaveBeenCalled();
    channels.get('events')!(own, 0);
    expect(send).toHaveBeenCalledWith('events', 1, [{ topic: 'jobs', event: { paused: true } }]);
  });
});
