/** Pan and zoom of a graph. */
import type { LayoutAnswer } from './rows.ts';

export interface View {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}
interface Size {
  readonly width: number;
  readonly height: number;
}

const MARGIN = 16;
/** Smallest zoom at which the text of boxes (12 px) is readable. @internal */
export const READABLE = 0.92;
const LARGEST = 1.25;

/**
 * The whole graph when its text is readable at that zoom; otherwise its beginning, at full size.
 */
export function firstView(at: LayoutAnswer['at'], box: Size, pane: Size): View {
  const whole = fit(at, box, pane);
  if (whole.zoom >= READABLE) return whole;
  const first = Object.values(at)[0] ?? { x: 0, y: 0 };
  const top = Math.min(...Object.values(at).map((p) => p.y));
  // Centres the first box, without empty space above the graph.
  const y = Math.min(MARGIN - top, pane.height / 2 - first.y - box.height / 2);
  return { x: MARGIN - first.x, y, zoom: 1 };
}

/** The whole graph, centred in the pane. */
export function fit(at: LayoutAnswer['at'], box: Size, pane: Size): View {
  const places = Object.values(at);
  if (places.length === 0) return { x: MARGIN, y: MARGIN, zoom: 1 };
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y } of places) {
    [left, top] = [Math.min(left, x), Math.min(top, y)];
    [right, bottom] = [Math.max(right, x + box.width), Math.max(bottom, y + box.height)];
  }
  const room = { width: pane.width - 2 * MARGIN, height: pane.height - 2 * MARGIN };
  const zoom = Math.max(0.02, Math.min(LARGEST, room.width / (right - left), room.height / (bottom - top)));
  const middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
  return { x: pane.width / 2 - zoom * middle.x, y: pane.height / 2 - zoom * middle.y, zoom };
}

/** The view moved by the smallest distance that makes a box fully visible. */
export function reveal(view: View, place: { readonly x: number; readonly y: number }, box: Size, pane: Size): View {
  const shift = (offset: number, at: number, length: number, room: number): number => {
    const [start, end] = [offset + view.zoom * at, offset + view.zoom * (at + length)];
    if (start < MARGIN) return offset + MARGIN - start;
    return end > room - MARGIN ? offset - (end - room + MARGIN) : offset;
  };
  return {
    x: shift(view.x, place.x, box.width, pane.width),
    y: shift(view.y, place.y, box.height, pane.height),
    zoom: view.zoom,
  };
}

/** The view zoomed about the middle of the pane. */
export function zoomed(view: View, by: number, pane: Size): View {
  const zoom = Math.max(0.02, Math.min(2, view.zoom * by));
  const k = zoom / view.zoom;
  return {
    x: pane.width / 2 - k * (pane.width / 2 - view.x),
    y: pane.height / 2 - k * (pane.height / 2 - view.y),
    zoom,
  };
}
