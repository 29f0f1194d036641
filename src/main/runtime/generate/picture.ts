/** Pictures on their way through the image encoder. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { HostTensor } from '../../engine/executor.ts';
import type { ComponentShape } from '../../engine/families/contract.ts';
import { filled } from '../../engine/families/named-inputs.ts';
import { type AnswerParts, contextOf } from '../../engine/generation/parts.ts';
import { rowsOf } from '../../engine/generation/placeholders.ts';
import { declaredImageTokens } from '../../engine/generation/settings.ts';
import { type ImageGrid, ONE_PIECE } from '../../engine/images/grid.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { ImageInput, PreparedImage, RunnerPackage } from './contract.ts';
import type { Sessions } from './sessions.ts';

/** An encoded picture. */
export interface EncodedImage {
  /** The picture as the encoder took it. It may be given again in place of its file. */
  readonly image: PreparedImage;
  /** Outputs of the encoder by name. */
  readonly outputs: Readonly<Record<string, HostTensor>>;
  /** Image features or states: the output that the prompt, or the decoder, takes. */
  readonly features: HostTensor;
  /** Feature rows of the picture. */
  readonly rows: number;
  /** Milliseconds of preparing the picture and of the encoder. */
  readonly times: { readonly image: number; readonly vision: number };
  readonly notes: readonly string[];
}

/** @throws 'run-unsupported', 'run-input', 'run-image', 'image-unreadable' */
export async function encodePicture(
  pkg: RunnerPackage,
  sessions: Sessions,
  parts: AnswerParts,
  given: ImageInput,
): Promise<EncodedImage> {
  const { encoder } = parts;
  if (!encoder) throw new SecateurError('run-unsupported', { reason: 'it has no image encoder' });
  const { image, ms } = await prepared(pkg, given);
  const { outputs, ms: vision } = await encode(sessions, encoder, image);
  const features = featuresOf(parts, encoder, outputs);
  const rows = rowsOf(features);
  const notes = [...image.notes];
  const said = parts.kind === 'merged' ? declaredImageTokens(pkg.shape) : null;
  const each = rows / image.grid.images;
  if (said !== null && said !== each)
    notes.push(
      `The configuration declares ${said} image tokens, and the encoder returns ${each}; the prompt has ${each}.`,
    );
  return { image, outputs, features, rows, times: { image: ms, vision }, notes };
}

function featuresOf(
  { kind, decoder }: AnswerParts,
  encoder: ComponentShape,
  outputs: Readonly<Record<string, HostTensor>>,
): HostTensor {
  const names = encoder.outputs.map((p) => p.name);
  const taken =
    kind === 'crossed'
      ? decoder.inputs.map((p) => contextOf(p.name, encoder)).find((name) => name !== null)
      : names.find((name) => /^image_(features|embeds)$/i.test(name));
  return outputs[taken ?? names[0]!]!;
}

/** Outputs of the encoder by the names of the decoders' inputs. */
export function contextOfParts(
  { encoder, decoder, next }: AnswerParts,
  outputs: Readonly<Record<string, HostTensor>>,
): Record<string, HostTensor> {
  const context: Record<string, HostTensor> = {};
  for (const { name } of [...decoder.inputs, ...(next?.inputs ?? [])]) {
    const output = encoder && contextOf(name, encoder);
    if (output !== null) context[name] = outputs[output]!;
  }
  return context;
}

/** A picture ready for the encoder, and the milliseconds that this took. */
export async function prepared(
  pkg: RunnerPackage,
  image: ImageInput,
): Promise<{ readonly image: PreparedImage; readonly ms: number }> {
  const started = performance.now();
  const ready = typeof image === 'string' ? await pkg.prepare(image) : { grid: gridOf(image), notes: [], ...image };
  return { image: ready, ms: performance.now() - started };
}

/** @throws 'run-image' for tiles without their rows and columns */
function gridOf({ tensors, grid }: Exclude<ImageInput, string>): ImageGrid {
  if (grid) return grid;
  if (tensors['pixel_values']?.dims.length === 5)
    throw new SecateurError('run-image', { reason: 'tensors of tiles need the numbers of their rows and columns' });
  return ONE_PIECE;
}

/**
 * Runs an image encoder.
 * @throws 'run-input' for an input that the picture has no tensor for
 */
export async function encode(
  sessions: Sessions,
  encoder: ComponentShape,
  image: PreparedImage,
): Promise<{ readonly outputs: Record<string, HostTensor>; readonly ms: number }> {
  const feeds: Record<string, HostTensor> = {};
  for (const port of encoder.inputs) {
    const given = image.tensors[port.name] ?? maskFor(port, image);
    if (!given)
      throw new SecateurError('run-input', {
        component: encoder.id,
        input: port.name,
        reason: 'the image processor does not make it',
      });
    feeds[port.name] = given;
  }
  const session = await sessions.of(encoder);
  const started = performance.now();
  const outputs = await session.run(feeds);
  return { outputs, ms: performance.now() - started };
}

/**
 * A mask for a picture without padding. Masks of attention mark the pixels that count. `pixel_mask` does so where it
 * holds integers, and marks padding where it is boolean, as PyTorch's key padding masks do.
 */
function maskFor(
  { name, dtype, shape }: ComponentShape['inputs'][number],
  { tensors }: PreparedImage,
): HostTensor | null {
  const pixels = tensors['pixel_values'];
  if (!pixels || !/^pixel_(attention_)?mask$/i.test(name)) return null;
  const dims = [...pixels.dims.slice(0, shape.length - 2), ...pixels.dims.slice(-2)];
  const marksPadding = /^pixel_mask$/i.test(name) && dtype === DType.BOOL;
  return filled(dtype ?? DType.INT64, dims, () => Number(!marksPadding));
}
