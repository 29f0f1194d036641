/**
 * Fast layout for big graphs: layers by longest path from the inputs, in rows like lines of text.
 */
export interface LayoutQuestion {
  readonly boxes: readonly { readonly id: string; readonly width: number; readonly height: number }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}
export interface LayoutAnswer {
  readonly at: Readonly<Record<string, { readonly x: number; readonly y: number }>>;
}

const BETWEEN_LAYERS = 28;
const BETWEEN_BOXES = 14;
const BETWEEN_ROWS = 40;
/** Target ratio of width to height. */
const ASPECT = 2.6;

/**
 * Computes positions in time linear in boxes and edges. Edges that close a cycle do not affect the
 * order.
 */
export function rows({ boxes, edges }: LayoutQuestion): LayoutAnswer {
  const at: Record<string, { x: number; y: number }> = {};
  const [first] = boxes;
  if (!first) return { at };
  const layers = layered(boxes, edges);
  const stepX = first.width + BETWEEN_LAYERS;
  const stepY = first.height + BETWEEN_BOXES;
  const tallest = Math.max(...layers.map((l) => l.length));
  const perRow = Math.max(
    1,
    Math.round(Math.sqrt((ASPECT * layers.length * (tallest * stepY + BETWEEN_ROWS)) / stepX)),
  );
  let top = 0;
  for (let from = 0; from < layers.length; from += perRow) {
    const row = layers.slice(from, from + perRow);
    const height = Math.max(...row.map((l) => l.length)) * stepY;
    for (const [column, layer] of row.entries())
      for (const [i, id] of layer.entries())
        at[id] = { x: column * stepX, y: top + (height - layer.length * stepY) / 2 + i * stepY };
    top += height + BETWEEN_ROWS;
  }
  return { at };
}

/** Ids by their longest path from a box without incoming edges. */
function layered(boxes: LayoutQuestion['boxes'], edges: LayoutQuestion['edges']): string[][] {
  const following = new Map<string, string[]>(boxes.map((b) => [b.id, []]));
  const waiting = new Map<string, number>(boxes.map((b) => [b.id, 0]));
  for (const { from, to } of edges) {
    if (!following.has(from) || !waiting.has(to)) continue;
    following.get(from)!.push(to);
    waiting.set(to, waiting.get(to)! + 1);
  }
  const depth = new Map<string, number>();
  const queue = boxes.filter((b) => waiting.get(b.id) === 0).map((b) => b.id);
  for (const id of queue) depth.set(id, 0);
  for (let i = 0; i < queue.length; i++) {
    const here = depth.get(queue[i]!)!;
    for (const next of following.get(queue[i]!)!) {
      depth.set(next, Math.max(depth.get(next) ?? 0, here + 1));
      waiting.set(next, waiting.get(next)! - 1);
      if (waiting.get(next) === 0) queue.push(next);
    }
  }
  const layers: string[][] = [];
  for (const { id } of boxes) (layers[depth.get(id) ?? 0] ??= []).push(id);
  return Array.from(layers, (layer) => layer ?? []);
}
