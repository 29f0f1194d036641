// Where the window was when it was last open: a few numbers in a file that anybody may have edited.
import { readFileSync } from 'node:fs';

export interface Bounds {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface WindowState {
  /** Of the window when it is not maximised; null: the system chooses. */
  readonly bounds: Bounds | null;
  readonly maximized: boolean;
}

export const LEAST = { width: 800, height: 600 } as const;
const FIRST: WindowState = { bounds: null, maximized: false };
/** Of the window's top edge, how much must be on a screen so that it can be taken by the mouse. */
const HANDLE = { width: 120, height: 32 } as const;

/** The state in the file, or that of a first start when there is none that can be used. */
export function readWindowState(path: string): WindowState {
  try {
    return parseWindowState(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return FIRST;
  }
}

/** What is not a state becomes that of a first start. @internal */
export function parseWindowState(json: unknown): WindowState {
  const { bounds, maximized } = (json ?? {}) as { bounds?: unknown; maximized?: unknown };
  return { bounds: isBounds(bounds) ? pick(bounds) : null, maximized: maximized === true };
}

/**
 * Bounds that can be seen and taken hold of: as they were when they still are on one of the screens, otherwise in the middle
 * of the first one, and never larger than the screen.
 *
 * @param screens the areas of the screens that no task bar covers, the primary one first
 */
export function onScreen(bounds: Bounds | null, screens: readonly Bounds[]): Bounds | null {
  const [primary] = screens;
  if (!bounds || !primary) return bounds;
  const home = screens.find((s) => holdsHandle(s, bounds));
  const screen = home ?? primary;
  const width = Math.min(screen.width, Math.max(LEAST.width, bounds.width));
  const height = Math.min(screen.height, Math.max(LEAST.height, bounds.height));
  if (home) return { x: bounds.x, y: bounds.y, width, height };
  return {
    x: Math.round(screen.x + (screen.width - width) / 2),
    y: Math.round(screen.y + (screen.height - height) / 2),
    width,
    height,
  };
}

function holdsHandle(screen: Bounds, window: Bounds): boolean {
  const seen = Math.min(screen.x + screen.width, window.x + window.width) - Math.max(screen.x, window.x);
  const top = window.y - screen.y;
  return seen >= HANDLE.width && top >= 0 && top <= screen.height - HANDLE.height;
}

function isBounds(v: unknown): v is Bounds {
  if (typeof v !== 'object' || v === null) return false;
  const { x, y, width, height } = v as Record<string, unknown>;
  const whole = (n: unknown): n is number => Number.isInteger(n) && Math.abs(n as number) <= 100_000;
  return whole(x) && whole(y) && whole(width) && whole(height) && width > 0 && height > 0;
}

const pick = ({ x, y, width, height }: Bounds): Bounds => ({ x, y, width, height });
