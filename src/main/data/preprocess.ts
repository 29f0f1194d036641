/**
 * Preprocessing files: our own `*.preprocess.json` and a Hugging Face preprocessor_config.json beside the model. Values
 * that both lack are deduced from the model's input shape when the data is opened (dataset.ts) and reported in its
 * notes.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import { z } from 'zod';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Preprocess } from '../../shared/model/job.ts';

const side = z.int().min(1).max(16_384);
const box = z.strictObject({ width: side, height: side });
const schema = z
  .strictObject({
    resize: z.union([box, z.strictObject({ shortestEdge: side })]),
    interpolation: z.enum(['nearest', 'bilinear', 'bicubic', 'lanczos']),
    crop: box,
    layout: z.enum(['NCHW', 'NHWC']),
    colorOrder: z.enum(['RGB', 'BGR', 'GRAY']),
    dtype: z.enum(['float32', 'uint8']),
    rescale: z.number().refine((x) => x !== 0, 'must not be 0'),
    mean: z.array(z.number()).min(1).max(64),
    std: z
      .array(z.number().refine((x) => x !== 0, 'must not hold 0'))
      .min(1)
      .max(64),
  })
  .partial()
  .refine(
    (p) => p.dtype !== 'uint8' || (p.rescale === undefined && p.mean === undefined && p.std === undefined),
    'dtype "uint8" takes unchanged pixels and cannot be combined with rescale, mean or std',
  );

/**
 * Checks a parsed JSON value.
 * @throws 'preprocess-invalid' with the wrong key
 * @internal
 */
export function parsePreprocess(value: unknown, path: string): Preprocess {
  const r = schema.safeParse(value);
  if (r.success) return r.data as Preprocess;
  const issue = r.error.issues[0]!,
    where = issue.path.length ? `${issue.path.join('.')}: ` : '';
  throw new SecateurError('preprocess-invalid', { path, reason: `${where}${issue.message}` });
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') throw new SecateurError('file-not-found', { path });
    throw new SecateurError('file-unreadable', { path, reason: (e as Error).message });
  }
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new SecateurError('preprocess-invalid', { path, reason: `it is not JSON (${(e as Error).message})` });
  }
}

const hfSize = z.union([
  side,
  z.looseObject({ shortest_edge: side.optional(), height: side.optional(), width: side.optional() }),
]);
const hfSchema = z.looseObject({
  do_resize: z.boolean().nullish(),
  size: hfSize.nullish(),
  crop_pct: z.number().positive().max(1).nullish(),
  resample: z.int().nullish(),
  do_center_crop: z.boolean().nullish(),
  crop_size: hfSize.nullish(),
  do_rescale: z.boolean().nullish(),
  rescale_factor: z.number().nullish(),
  do_normalize: z.boolean().nullish(),
  image_mean: z.union([z.number(), z.array(z.number())]).nullish(),
  image_std: z.union([z.number(), z.array(z.number())]).nullish(),
  do_flip_channel_order: z.boolean().nullish(),
});
/** Numbering of PIL.Image.Resampling. Box and Hamming (4, 5) have no counterpart and become bilinear. */
const PIL = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'bilinear', 'bilinear'] as const;

/**
 * A Hugging Face image-processor configuration, with the keys of transformers' image processors. Where those leave a
 * default to each model's class: resize and normalise apply when their values are present, and rescale is 1/255 unless
 * do_rescale is false.
 * @internal
 */
export function fromHuggingFace(value: unknown, path: string): { preprocess: Preprocess; notes: string[] } {
  const r = hfSchema.safeParse(value);
  if (!r.success) {
    const issue = r.error.issues[0]!;
    throw new SecateurError('preprocess-invalid', { path, reason: `${issue.path.join('.')}: ${issue.message}` });
  }
  const c = r.data,
    notes: string[] = [];
  const out: { -readonly [K in keyof Preprocess]: Preprocess[K] } = { layout: 'NCHW', dtype: 'float32' };
  out.colorOrder = c.do_flip_channel_order ? 'BGR' : 'RGB';
  if (c.do_resize !== false && c.size != null) {
    const s = c.size;
    if (typeof s === 'number') out.resize = c.do_center_crop ? { shortestEdge: s } : { width: s, height: s };
    else if (s.height !== undefined && s.width !== undefined) out.resize = { width: s.width, height: s.height };
    else if (s.shortest_edge !== undefined) {
      // ConvNeXT's processor: below 384 it resizes to edge / crop_pct and crops the edge; from 384 on it resizes
      // without keeping the aspect ratio.
      if (c.crop_pct && s.shortest_edge < 384) {
        out.resize = { shortestEdge: Math.floor(s.shortest_edge / c.crop_pct) };
        out.crop = { width: s.shortest_edge, height: s.shortest_edge };
      } else if (c.crop_pct) out.resize = { width: s.shortest_edge, height: s.shortest_edge };
      else out.resize = { shortestEdge: s.shortest_edge };
    } else
      throw new SecateurError('preprocess-invalid', {
        path,
        reason: 'size has neither shortest_edge nor height and width',
      });
    if (c.resample != null) {
      out.interpolation = PIL[c.resample] ?? 'bilinear';
      if (c.resample > 3) notes.push(`Resampling filter ${c.resample} is taken as bilinear.`);
    }
  }
  if (c.do_center_crop && c.crop_size != null) {
    const s = c.crop_size;
    if (typeof s === 'number') out.crop = { width: s, height: s };
    else {
      const height = s.height ?? s.shortest_edge,
        width = s.width ?? s.shortest_edge;
      if (height === undefined || width === undefined)
        throw new SecateurError('preprocess-invalid', { path, reason: 'crop_size has no height and width' });
      out.crop = { width, height };
    }
  }
  if (c.do_rescale !== false) out.rescale = c.rescale_factor ?? 1 / 255;
  if (c.do_normalize !== false && c.image_mean != null && c.image_std != null) {
    out.mean = [c.image_mean].flat();
    out.std = [c.image_std].flat();
    if (out.std.some((x) => x === 0))
      throw new SecateurError('preprocess-invalid', { path, reason: 'image_std must not hold 0' });
  }
  return { preprocess: out, notes };
}

export interface ResolvedPreprocess {
  /** null: none was given. openDataset deduces it from the model's input and reports it in its notes. */
  readonly preprocess: Preprocess | null;
  readonly source: 'file' | 'beside the model' | 'huggingface' | 'none';
  readonly path: string | null;
  readonly notes: readonly string[];
}

/**
 * The preprocessing that applies to a model: the given file; else `<model name>.preprocess.json` or `preprocess.json`
 * beside the model; else a preprocessor_config.json beside it or one folder up (exporters put the model into an onnx/
 * folder).
 */
export async function resolvePreprocess(modelPath: string, explicitPath?: string): Promise<ResolvedPreprocess> {
  const read = async (path: string, source: ResolvedPreprocess['source']): Promise<ResolvedPreprocess> => {
    const json = await readJson(path);
    const hf =
      source === 'huggingface' || (json !== null && typeof json === 'object' && 'image_processor_type' in json);
    if (!hf) return { preprocess: parsePreprocess(json, path), source, path, notes: [] };
    const { preprocess, notes } = fromHuggingFace(json, path);
    return {
      preprocess,
      source: 'huggingface',
      path,
      notes: [`Preprocessing read from ${parse(path).base} beside the model.`, ...notes],
    };
  };
  if (explicitPath !== undefined) {
    const hf = parse(explicitPath).base === 'preprocessor_config.json';
    return read(explicitPath, hf ? 'huggingface' : 'file');
  }
  const folder = dirname(modelPath);
  const candidates: [string, ResolvedPreprocess['source']][] = [
    [join(folder, `${parse(modelPath).name}.preprocess.json`), 'beside the model'],
    [join(folder, 'preprocess.json'), 'beside the model'],
    [join(folder, 'preprocessor_config.json'), 'huggingface'],
    [join(folder, '..', 'preprocessor_config.json'), 'huggingface'],
  ];
  for (const [path, source] of candidates) {
    try {
      return await read(path, source);
    } catch (e) {
      if (!(e instanceof SecateurError && e.code === 'file-not-found')) throw e;
    }
  }
  return { preprocess: null, source: 'none', path: null, notes: [] };
}
