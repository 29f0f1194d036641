// The position of the window when it was last open, stored in a file that users may edit.
import { readFileSync } from 'node:fs';

export interface Bounds {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface WindowState {
  /** Bounds of the window when it is not maximised; null: the system chooses. */
  readonly bounds: Bounds | null;
  readonly maximized: boolean;
}

export const LEAST = { width: 800, height: 600 } as const;
const FIRST: WindowState = { bounds: null, maximized: false };
/** Part of the window's top edge that must be on a screen, so that the mouse can grab it. */
const HANDLE = { width: 120, height: 32 } as const;

/** Returns the stored state, or the default state when there is no valid one. */
export function readWindowState(path: string): WindowState {
  try {
    return parseWindowState(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return FIRST;
  }
}

/** Parses the stored state; invalid values give the default state. @internal */
export function parseWindowState(json: unknown): WindowState {
  const { bounds, maximized } = (json ?? {}) as { bounds?: unknown; maximized?: unknown };
  return { bounds: isBounds(bounds) ? pick(bounds) : null, maximized: maximized === true };
}

/**
 * Bounds that are visible and can be grabbed: unchanged when they are on one of the screens,
 * otherwise in the middle of the first one, and never larger than the screen.
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
