/** The image processor of a package, read from its configuration files and completed from the encoder's input. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Preprocess } from '../../shared/model/job.ts';
import type { PortShape } from '../engine/families/contract.ts';
import type { Filter, ImageRecipe, Resize } from '../engine/images/recipe.ts';
import { fromHuggingFace } from './preprocess.ts';

type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** PIL's numbers of filters. */
const FILTERS: readonly Filter[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

/**
 * @param configs JSON files by path relative to the package
 * @param port the encoder's input for pixels
 * @throws 'preprocess-invalid', 'run-unsupported'
 */
export function imageRecipeOf(
  configs: Readonly<Record<string, unknown>>,
  port: PortShape,
): { recipe: ImageRecipe; notes: string[] } {
  const channels = channelsOf(port);
  const named = configs['preprocessor_config.json'];
  const processor = configs['processor_config.json'];
  if (isRecord(named)) return fromProcessor(named, 'preprocessor_config.json', port, channels);
  if (isRecord(processor) && isRecord(processor['image_processor']))
    return fromProcessor(processor['image_processor'], 'processor_config.json', port, channels);
  if (isRecord(processor) && isRecord(processor['processor']))
    return fromTransforms(processor['processor'], port, channels);
  const size = fixedSize(port);
  const recipe: ImageRecipe = {
    channels,
    resize: size && { kind: 'exact', ...size },
    filter: 'bilinear',
    crop: null,
    tiles: null,
    rescale: 1 / 255,
    mean: null,
    std: null,
  };
  const how = size ? `resized to ${size.width} x ${size.height}` : 'taken in its own size';
  return {
    recipe,
    notes: [`The package does not describe its image processor: the picture is ${how} and divided by 255.`],
  };
}

/** Axes of pixels: [..., channels, height, width]. @throws 'run-unsupported' for another layout */
function channelsOf({ name, shape }: PortShape): 1 | 3 {
  const channels = shape.at(-3);
  if (shape.length < 4 || shape.length > 5)
    throw new SecateurError('run-unsupported', {
      reason: `its encoder takes ${name} with ${shape.length} axes, and the runner makes pictures of 4 axes or tiles of 5`,
    });
  if (channels === 1) return 1;
  if (channels === 3 || typeof channels === 'string') return 3;
  throw new SecateurError('run-unsupported', { reason: `its encoder takes pictures of ${channels} channels` });
}

export function fixedSize({ shape }: PortShape): { width: number; height: number } | null {
  const [height, width] = shape.slice(-2);
  return typeof height === 'number' && typeof width === 'number' ? { width, height } : null;
}

/** A configuration of a Hugging Face image processor. */
function fromProcessor(
  config: Json,
  path: string,
  port: PortShape,
  channels: 1 | 3,
): { recipe: ImageRecipe; notes: string[] } {
  const tiles = port.shape.length === 5 ? tilesOf(config, path) : null;
  const size = config['size'];
  const longest = isRecord(size) && size['shortest_edge'] === undefined ? size['longest_edge'] : undefined;
  const edge = typeof longest === 'number' && config['do_resize'] !== false ? longest : null;
  const { preprocess, notes } = fromHuggingFace(edge === null ? config : { ...config, size: null }, path);
  const resample = config['resample'];
  const fallback = tiles ? 'lanczos' : 'bilinear';
  return {
    recipe: {
      channels,
      resize: edge === null ? resizeOf(preprocess) : { kind: 'longest-edge', edge },
      filter: typeof resample === 'number' ? (FILTERS[resample] ?? fallback) : fallback,
      crop: tiles ? null : (preprocess.crop ?? null),
      tiles,
      rescale: preprocess.rescale ?? 1,
      mean: preprocess.mean ?? null,
      std: preprocess.std ?? null,
    },
    // PIL's box and Hamming filters are known here.
    notes: notes.filter((n) => !n.startsWith('Resampling filter')),
  };
}

const resizeOf = ({ resize }: Preprocess): Resize | null =>
  !resize
    ? null
    : 'width' in resize
      ? { kind: 'exact', width: resize.width, height: resize.height }
      : { kind: 'shortest-edge', edge: resize.shortestEdge };

function tilesOf(config: Json, path: string): NonNullable<ImageRecipe['tiles']> {
  const most = config['max_image_size'];
  const side = isRecord(most) ? most['longest_edge'] : undefined;
  if (typeof side !== 'number')
    throw new SecateurError('preprocess-invalid', {
      path,
      reason: 'the encoder takes tiles, and max_image_size.longest_edge is missing',
    });
  return { side, split: config['do_image_splitting'] !== false };
}

/** Steps in the form of onnxruntime-extensions, each with a type and attributes. */
function fromTransforms(processor: Json, port: PortShape, channels: 1 | 3): { recipe: ImageRecipe; notes: string[] } {
  const path = 'processor_config.json';
  const refuse = (reason: string): never => {
    throw new SecateurError('preprocess-invalid', { path, reason });
  };
  const recipe: { -readonly [K in keyof ImageRecipe]: ImageRecipe[K] } = {
    channels,
    resize: null,
    filter: 'bicubic',
    crop: null,
    tiles: null,
    rescale: 1,
    mean: null,
    std: null,
  };
  const numbers = (value: unknown): number[] => [value].flat().map(Number);
  for (const transform of [processor['transforms'] ?? []].flat() as unknown[]) {
    const operation = isRecord(transform) ? transform['operation'] : undefined;
    if (!isRecord(operation)) return refuse('a transform has no operation');
    const attrs = isRecord(operation['attrs']) ? operation['attrs'] : {};
    const [width, height] = [Number(attrs['width']), Number(attrs['height'])];
    switch (operation['type']) {
      case 'DecodeImage':
      case 'ConvertRGB':
      case 'Permute3D':
        break;
      case 'Resize': {
        const fixed = fixedSize(port);
        // A size that follows the picture's own has no choice where the encoder's is fixed.
        if (attrs['smart_resize'] === 1 && !fixed) return refuse('smart_resize is known for encoders of one size only');
        recipe.resize = { kind: 'exact', ...(fixed ?? { width, height }) };
        if (typeof attrs['interpolation'] === 'string')
          recipe.filter =
            filterNamed(attrs['interpolation']) ?? refuse(`the filter ${attrs['interpolation']} is unknown`);
        break;
      }
      case 'CenterCrop':
        recipe.crop = { width, height };
        break;
      case 'Rescale':
        recipe.rescale = typeof attrs['rescale_factor'] === 'number' ? attrs['rescale_factor'] : 1 / 255;
        break;
      case 'Normalize':
        [recipe.mean, recipe.std] = [numbers(attrs['mean']), numbers(attrs['std'])];
        break;
      default:
        return refuse(`the transform ${String(operation['type'])} is unknown`);
    }
  }
  return { recipe, notes: [] };
}

const filterNamed = (name: string): Filter | undefined =>
  (({ NEAREST: 'nearest', LINEAR: 'bilinear', CUBIC: 'bicubic', LANCZOS: 'lanczos' }) as const)[name.toUpperCase()];
