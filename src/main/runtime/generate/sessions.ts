/** The sessions of a package, each opened when it is first needed. */
import type { ExecSession, HostTensor } from '../../engine/executor.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { ComponentShape } from '../../engine/families/contract.ts';
import { filled } from '../../engine/families/named-inputs.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { ImageInput, PreparedImage, RunnerPackage } from './contract.ts';
import { ONE_PIECE } from '../../engine/images/grid.ts';

export class Sessions {
  readonly #open: RunnerPackage['open'];
  readonly #opened = new Map<string, Promise<ExecSession>>();

  constructor(open: RunnerPackage['open']) {
    this.#open = open;
  }

  of(component: ComponentShape): Promise<ExecSession> {
    let session = this.#opened.get(component.id);
    if (!session) this.#opened.set(component.id, (session = this.#open(component.id)));
    return session;
  }

  async close(): Promise<void> {
    const all = [...this.#opened.values()];
    this.#opened.clear();
    await Promise.all(all.map(async (s) => (await s).release()));
  }
}

/** A picture ready for the encoder, and the milliseconds that this took. */
export async function prepared(
  pkg: RunnerPackage,
  image: ImageInput,
): Promise<{ readonly image: PreparedImage; readonly ms: number }> {
  const started = performance.now();
  const ready = typeof image === 'string' ? await pkg.prepare(image) : { tensors: image, grid: ONE_PIECE, notes: [] };
  return { image: ready, ms: performance.now() - started };
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
