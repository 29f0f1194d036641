// Starts the built command line in served mode and sends requests to it without a window.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Reply } from '../../src/shared/contract/routes.ts';
import { ROOT } from './files.ts';

export const BUILT_CLI = join(ROOT, 'out/main/cli.js');

/** Serves the built window; its file list begins with `cwd`. */
export async function serve(
  home: string,
  cwd = ROOT,
  cli = BUILT_CLI,
): Promise<{ url: string; pid: number; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [cli, 'serve', '--json'], {
    cwd,
    env: { ...process.env, SECATEUR_HOME: home, HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((done) => child.on('exit', () => done()));
  const url = await new Promise<string>((done, fail) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /"url": "([^"]+)"/.exec(text)?.[1];
      if (found) done(found);
    });
    child.on('exit', () => fail(new Error(`the server ended: ${text}`)));
  });
  return {
    url,
    pid: child.pid!,
    stop: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
}

/** Sends a request as the window does. Throws the error of a refused request. */
export async function ask<T>(url: string, route: string, input: unknown): Promise<T> {
  const { origin, hash } = new URL(url);
  const response = await fetch(`${origin}/api/request`, {
    method: 'POST',
    headers: { authorization: `Bearer ${hash.slice(1)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ route, input }),
  });
  const reply = (await response.json()) as Reply<T>;
  if (!reply.ok) throw new Error(JSON.stringify(reply.error));
  return reply.data;
}
