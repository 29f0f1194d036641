import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onScreen, parseWindowState, readWindowState } from './window-state.ts';

const bounds = { x: 100, y: 50, width: 1000, height: 700 };
const screen = { x: 0, y: 0, width: 1920, height: 1040 };
const left = { x: -1280, y: 200, width: 1280, height: 984 };

describe('the place of the window', () => {
  it('is read as it was written', () => {
    expect(parseWindowState({ bounds, maximized: true })).toEqual({ bounds, maximized: true });
  });

  it.each(
    [null, 7, 'x', [], {}, { bounds: 1 }, { bounds: { ...bounds, x: 'a' } }, { bounds: { x: 1, y: 1 } }].map((v) => [
      v,
    ]),
  )('is not taken from %j', (json) => {
    expect(parseWindowState(json)).toEqual({ bounds: null, maximized: false });
  });

  it.each([Number.NaN, 1e9, 0.5, -1, 0])('has no width of %d', (width) => {
    expect(parseWindowState({ bounds: { ...bounds, width } }).bounds).toBeNull();
  });

  it('is that of a first start when the file is missing or broken', () => {
    const folder = mkdtempSync(join(tmpdir(), 'secateur-place-'));
    const path = join(folder, 'window.json');
    expect(readWindowState(path)).toEqual({ bounds: null, maximized: false });
    writeFileSync(path, '{"bounds":');
    expect(readWindowState(path)).toEqual({ bounds: null, maximized: false });
    rmSync(folder, { recursive: true });
  });

  it('stays where it can be taken hold of, also on a second screen', () => {
    expect(onScreen(bounds, [screen])).toEqual(bounds);
    const there = { x: -1200, y: 300, width: 900, height: 650 };
    expect(onScreen(there, [screen, left])).toEqual(there);
  });

  it.each([
    ['its screen is gone', { ...bounds, x: -1200 }],
    ['its title bar is above the screen', { ...bounds, y: -100 }],
    ['its title bar is below the screen', { ...bounds, y: 1030 }],
    ['only its edge is to be seen', { ...bounds, x: 1900 }],
  ])('moves to the middle of the first screen when %s', (_, lost) => {
    expect(onScreen(lost, [screen])).toEqual({ x: 460, y: 170, width: 1000, height: 700 });
  });

  it('is no larger than the screen and no smaller than the window may be', () => {
    expect(onScreen({ x: 0, y: 0, width: 5000, height: 5000 }, [screen])).toEqual(screen);
    expect(onScreen({ x: 0, y: 0, width: 10, height: 700 }, [screen])).toBeTruthy();
    expect(onScreen({ x: 10, y: 0, width: 200, height: 10 }, [screen])).toEqual({
      x: 10,
      y: 0,
      width: 800,
      height: 600,
    });
  });
});
