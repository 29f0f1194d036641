/** Sizes of a picture on its way to the encoder. Pure: the number of tiles and pixels is known before any is read. */
import type { ImageRecipe, Resize, Size } from './recipe.ts';

interface Box extends Size {
  readonly x: number;
  readonly y: number;
}

export interface ImagePlan {
  /** Sizes that the picture takes one after another. Pixels are rounded to whole numbers in between. */
  readonly resizes: readonly Size[];
  readonly crop: Size | null;
  /** Parts of the last size, row by row. Empty where the picture stays in one piece. */
  readonly tiles: readonly Box[];
  /** Rows and columns of tiles; 0 where the picture stays in one piece. */
  readonly rows: number;
  readonly columns: number;
  /** Size of the whole picture behind its tiles; null where the picture stays in one piece. */
  readonly overview: Size | null;
  /** Number of pictures that the encoder gets, and the size of each. */
  readonly images: number;
  readonly size: Size;
}

/** Largest side of a picture before it is cut into tiles. */
const LARGEST_SIDE = 4096;

/** The plan for a picture of `width` x `height` pixels. */
export function planImage(recipe: ImageRecipe, width: number, height: number): ImagePlan {
  const given = { width, height };
  const resized = recipe.resize ? [resizedTo(recipe.resize, given, recipe.tiles !== null)] : [];
  if (recipe.tiles) return planTiles(recipe.tiles, given, resized);
  const last = resized.at(-1) ?? given;
  const size = recipe.crop ?? last;
  return {
    resizes: resized,
    crop: recipe.crop,
    tiles: [],
    rows: 0,
    columns: 0,
    overview: null,
    images: 1,
    size,
  };
}

/**
 * Tiles as in transformers' Idefics3ImageProcessor. Both sides grow to multiples of a tile; a picture of one tile stays
 * in one piece.
 */
function planTiles(
  { side, split }: NonNullable<ImageRecipe['tiles']>,
  given: Size,
  resized: readonly Size[],
): ImagePlan {
  const tile = { width: side, height: side };
  const last = resized.at(-1) ?? given;
  const whole = { crop: null, tiles: [], rows: 0, columns: 0, overview: null, images: 1, size: tile };
  if (!split) return { ...whole, resizes: [...resized, tile] };
  const grown = toWholeTiles(last, side);
  const [rows, columns] = [grown.height / side, grown.width / side];
  const resizes = [...resized, grown];
  if (rows === 1 && columns === 1) return { ...whole, resizes };
  const tiles = Array.from({ length: rows * columns }, (_, i) => ({
    ...tile,
    x: (i % columns) * side,
    y: Math.floor(i / columns) * side,
  }));
  return { resizes, crop: null, tiles, rows, columns, overview: tile, images: tiles.length + 1, size: tile };
}

/** The longer side grows to a multiple first, and the other one follows it before it grows as well. */
function toWholeTiles({ width, height }: Size, side: number): Size {
  const up = (x: number): number => Math.ceil(x / side) * side;
  const ratio = width / height;
  if (width >= height) {
    const wide = up(width);
    return { width: wide, height: up(Math.trunc(wide / ratio)) };
  }
  const high = up(height);
  return { width: up(Math.trunc(high * ratio)), height: high };
}

/** @param even the shorter side is made even, as processors that cut tiles do */
function resizedTo(resize: Resize, { width, height }: Size, even: boolean): Size {
  if (resize.kind === 'exact') return { width: resize.width, height: resize.height };
  const { edge } = resize;
  if (resize.kind === 'shortest-edge') {
    // The long side is truncated, as in torchvision and transformers.
    return width <= height
      ? { width: edge, height: Math.max(1, Math.trunc((edge * height) / width)) }
      : { width: Math.max(1, Math.trunc((edge * width) / height)), height: edge };
  }
  const ratio = width / height;
  const evened = (x: number): number => Math.max(1, even && x % 2 !== 0 ? x + 1 : x);
  const size =
    width >= height
      ? { width: edge, height: evened(Math.trunc(edge / ratio)) }
      : { width: evened(Math.trunc(edge * ratio)), height: edge };
  return even ? within(size, LARGEST_SIDE) : size;
}

function within({ width, height }: Size, most: number): Size {
  if (Math.max(width, height) <= most) return { width, height };
  const ratio = width / height;
  return width >= height
    ? { width: most, height: Math.max(1, Math.trunc(most / ratio)) }
    : { width: Math.max(1, Math.trunc(most * ratio)), height: most };
}
