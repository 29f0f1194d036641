/** Configuration of a package for smaller pictures or fewer tiles. */
import { countConfigs, type ChangedConfigs, type Configs } from './counts.ts';
import type { Grid } from './support/interpolate.ts';

type Json = Readonly<Record<string, unknown>>;
const isObject = (x: unknown): x is Json => typeof x === 'object' && x !== null && !Array.isArray(x);
const PREPROCESSOR = 'preprocessor_config.json';

/** Another size of prepared pictures. */
export interface PixelChange {
  /** Height and width of prepared pictures. */
  readonly from: Grid;
  readonly to: Grid;
  /** Image tokens that the decoder gets per picture; absent for packages without placeholders. */
  readonly tokens?: { readonly from: number; readonly to: number };
}

/**
 * The files that change with the size of prepared pictures. Proportions of the resize before a centre crop stay.
 * @returns whole contents of the changed files, or why none gives that size
 */
export function pixelConfigs(configs: Configs, { from, to, tokens }: PixelChange): ChangedConfigs {
  const preprocessor = configs[PREPROCESSOR];
  if (!isObject(preprocessor)) return { refused: `the package has no ${PREPROCESSOR}` };
  const changed = { ...preprocessor };
  const share = Math.min(to[0], to[1]) / Math.min(from[0], from[1]);
  let found = false;
  for (const key of ['crop_size', 'size']) {
    const resized = sizeFor(preprocessor[key], from, to, share);
    if (resized === undefined) continue;
    changed[key] = resized;
    found = true;
  }
  if (!found) return { refused: `${PREPROCESSOR} declares no size of ${from.join(' x ')}` };
  const config = configs['config.json'];
  const resizedConfig = isObject(config) ? imageSizes(config, from, to) : config;
  const result: Configs = {
    [PREPROCESSOR]: changed,
    ...(resizedConfig !== config && { 'config.json': resizedConfig }),
  };
  if (!tokens) return { configs: result, notes: [] };
  const counted = countConfigs({ ...configs, ...result }, tokens);
  return 'refused' in counted ? counted : { ...counted, configs: { ...result, ...counted.configs } };
}

/** A declared size for the new pictures; undefined where it declares none. */
function sizeFor(size: unknown, from: Grid, to: Grid, share: number): unknown {
  const isSquare = from[0] === from[1] && to[0] === to[1];
  if (typeof size === 'number') return size === from[0] && isSquare ? to[0] : undefined;
  if (!isObject(size)) return undefined;
  if (size['height'] === from[0] && size['width'] === from[1]) return { ...size, height: to[0], width: to[1] };
  const edge = size['shortest_edge'];
  // The resize before a centre crop.
  return typeof edge === 'number' ? { ...size, shortest_edge: Math.round(edge * share) } : undefined;
}

/** `image_size` of the model and of its vision part. */
function imageSizes(config: Json, from: Grid, to: Grid, depth = 0): Json {
  const isFrom = (x: unknown): boolean => (Array.isArray(x) ? x.join() === from.join() : x === from[0] && from[0] === from[1]); // prettier-ignore
  const entries = Object.entries(config).map(([key, value]): [string, unknown] => {
    if (key === 'image_size' && isFrom(value)) return [key, to[0] === to[1] && !Array.isArray(value) ? to[0] : [...to]];
    return [key, isObject(value) && depth < 1 ? imageSizes(value, from, to, depth + 1) : value];
  });
  return entries.some(([key, value]) => config[key] !== value) ? Object.fromEntries(entries) : config;
}

/** A way to cut a picture into fewer tiles. */
export interface TileChoice {
  /** Tiles that the encoder gets for a square picture, with the overview. */
  readonly tiles: number;
  readonly configs: Configs;
}

/**
 * Fewer tiles for encoders that take a picture in tiles and an overview (Idefics3, SmolVLM), from many to one. The
 * picture gets fewer pixels, and tokens per tile and the graph stay.
 */
export function fewerTiles(configs: Configs): TileChoice[] {
  const preprocessor = configs[PREPROCESSOR];
  if (!isObject(preprocessor) || preprocessor['do_image_splitting'] !== true) return [];
  const edgeOf = (x: unknown): number => (isObject(x) && typeof x['longest_edge'] === 'number' ? x['longest_edge'] : 0);
  const [whole, tile] = [edgeOf(preprocessor['size']), edgeOf(preprocessor['max_image_size'])];
  if (whole <= tile || tile === 0) return [];
  const most = Math.ceil(whole / tile);
  const withSize = (sides: number): Configs => ({ [PREPROCESSOR]: { ...preprocessor, size: { longest_edge: sides * tile } } }); // prettier-ignore
  const cut = Array.from({ length: most - 1 }, (_, i) => most - 1 - i).filter((sides) => sides > 1);
  return [
    ...cut.map((sides) => ({ tiles: sides * sides + 1, configs: withSize(sides) })),
    { tiles: 1, configs: { [PREPROCESSOR]: { ...preprocessor, do_image_splitting: false } } },
  ];
}
