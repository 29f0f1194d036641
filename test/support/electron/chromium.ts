// The browser that shows the windows; it cannot reach anything outside this process.
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

/** Handlers of a window for events in its page. */
export interface PageOwner {
  /** Decides whether a page or frame may navigate; false cancels the navigation. */
  mayNavigate(frame: Frame, url: string): boolean;
  /** Called when a page asks for a new page. */
  opened(url: string): void;
  called(frame: Frame, kind: 'invoke' | 'send', channel: string, args: unknown[]): Promise<unknown>;
}

let context: BrowserContext | undefined;
const owners = new Map<Page, PageOwner>();

/** Starts Chromium; its files are stored below `userData`, where Electron stores its own. */
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

/** Creates a page for a window. */
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
    // The first request of a new page that was opened by a page; aborting it makes Chromium drop
    // the page.
    if (!owner) for (const each of owners.values()) each.opened(url);
    // "Aborted" keeps the current page; any other error would replace it.
    if (!frame || !owner?.mayNavigate(frame, url)) return route.abort('aborted');
  }
  const response = await answer(url, request.method());
  if (!response) return route.abort('internetdisconnected');
  const body = Buffer.from(await response.arrayBuffer());
  return route.fulfill({ status: response.status, headers: Object.fromEntries(response.headers), body });
}

/** Null for a page that is still being opened. */
function frameOf(request: PageRequest): Frame | null {
  try {
    return request.frame();
  } catch {
    return null;
  }
}

/** Closes a page that was opened without an address. */
async function closePopup(page: Page): Promise<void> {
  const opener = await page.opener();
  if (!opener) return;
  owners.get(opener)?.opened(fromChromium(page.url()));
  await page.close();
}
