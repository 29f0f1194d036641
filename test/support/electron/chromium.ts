// The browser that shows the windows, without a way to anything outside this process.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  chromium,
  type BrowserContext,
  type Frame,
  type Page,
  type Request as PageRequest,
  type Route,
} from 'playwright-core';
import { executablePath } from '../chromium-path.ts';
import { BINDING } from './page-side.ts';
import { answer, fromChromium } from './protocol.ts';

/** What a window does with what happens in its page. */
export interface PageOwner {
  /** A page or frame wants to go somewhere; false keeps it where it is. */
  mayNavigate(frame: Frame, url: string): boolean;
  /** Something wants a page of its own. */
  opened(url: string): void;
  called(frame: Frame, kind: 'invoke' | 'send', channel: string, args: unknown[]): Promise<unknown>;
}

let context: BrowserContext | undefined;
const owners = new Map<Page, PageOwner>();

/** Starts Chromium; its files are below `userData`, where Electron has its own. */
export async function launch(userData: string, onGone: () => void): Promise<number> {
  context = await chromium.launchPersistentContext(userData, {
    executablePath,
    args: ['--no-sandbox', '--remote-debugging-port=0'],
    viewport: null,
    handleSIGTERM: false,
  });
  context.on('close', onGone);
  await context.exposeBinding(BINDING, ({ page, frame }, kind: 'invoke' | 'send', channel: string, args: unknown[]) =>
    owners.get(page)?.called(frame, kind, channel, args),
  );
  await context.route('**/*', (route) => serve(route).catch(() => undefined));
  context.on('page', (page) => void closePopup(page));
  return Number(readFileSync(join(userData, 'DevToolsActivePort'), 'utf8').split('\n')[0]);
}

/** A page for a window. */
export async function newPage(owner: PageOwner): Promise<Page> {
  if (!context) throw new Error('a window is opened before the app is ready');
  const [first] = context.pages();
  const page = first && !owners.has(first) ? first : await context.newPage();
  owners.set(page, owner);
  return page;
}

/** Ends Chromium. */
export async function quitChromium(): Promise<void> {
  await context?.close();
}

async function serve(route: Route): Promise<void> {
  const request = route.request();
  const url = fromChromium(request.url());
  if (request.isNavigationRequest()) {
    const frame = frameOf(request);
    const owner = frame && owners.get(frame.page());
    // The first request of a page that a page opens: Chromium drops it when this is aborted.
    if (!owner) for (const each of owners.values()) each.opened(url);
    // "Aborted" keeps the page that is shown; any other error would replace it.
    if (!frame || !owner?.mayNavigate(frame, url)) return route.abort('aborted');
  }
  const response = await answer(url, request.method());
  if (!response) return route.abort('internetdisconnected');
  const body = Buffer.from(await response.arrayBuffer());
  return route.fulfill({ status: response.status, headers: Object.fromEntries(response.headers), body });
}

/** Null for a page that is only just being opened. */
function frameOf(request: PageRequest): Frame | null {
  try {
    return request.frame();
  } catch {
    return null;
  }
}

/** A page that was opened without an address. */
async function closePopup(page: Page): Promise<void> {
  const opener = await page.opener();
  if (!opener) return;
  owners.get(opener)?.opened(fromChromium(page.url()));
  await page.close();
}
