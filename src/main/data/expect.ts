/**
 * The images that a model takes: reads layout, channels and size from its input shape and completes the preprocessing
 * with them.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Preprocess } from '../../shared/model/job.ts';
import { DType, dtypeName } from '../engine/ir/dtype.ts';

export interface Expected {
  readonly preprocess: Preprocess;
  readonly layout: 'NCHW' | 'NHWC';
  readonly channels: number;
  /** null where the model takes any size. */
  readonly target: { readonly width: number; readonly height: number } | null;
  /** The model takes [N, features]: each image is passed as one row. */
  readonly flatten: boolean;
}

const known = (d: number | undefined): d is number => d !== undefined && d >= 1;
const isChannels = (d: number | undefined): boolean => d === 1 || d === 3;

/** Layout of an input of rank 4, or null where its shape does not determine it. */
function layoutOf(shape: readonly number[]): 'NCHW' | 'NHWC' | null {
  const [, first, , last] = shape;
  if (isChannels(first) && !isChannels(last)) return 'NCHW';
  if (isChannels(last) && !isChannels(first)) return 'NHWC';
  return isChannels(first) ? 'NCHW' : null;
}

/**
 * Completes the preprocessing for a model's input and checks that both agree.
 * @param sourceChannels of the data: 1 or 3
 * @throws 'data-shape' when the input does not take images, 'preprocess-invalid' when the two contradict each other
 */
export function expectImages(
  inputShape: readonly number[],
  inputDtype: number,
  given: Preprocess | null | undefined,
  sourceChannels: number,
  notes: string[],
): Expected {
  const shown = `(${inputShape.map((d) => (known(d) ? d : '?')).join(', ')})`,
    flat = inputShape.length === 2;
  if (inputShape.length !== 4 && !flat)
    throw new SecateurError('data-shape', { reason: `the model's input ${shown} is not a batch of images` });
  const layout = given?.layout ?? (flat ? 'NCHW' : (layoutOf(inputShape) ?? 'NCHW'));
  const [c, h, w] = layout === 'NCHW' ? [1, 2, 3] : [3, 1, 2],
    wanted = flat ? undefined : inputShape[c!];
  const channels = known(wanted) ? wanted : given?.colorOrder === 'GRAY' ? 1 : sourceChannels;
  if (known(wanted) && !isChannels(wanted) && wanted !== sourceChannels)
    throw new SecateurError('preprocess-invalid', {
      path: `(layout ${layout})`,
      reason: `the model's input ${shown} would have ${wanted} channels`,
    });
  if (given?.colorOrder === 'GRAY' && channels !== 1)
    throw new SecateurError('preprocess-invalid', {
      path: '(colorOrder)',
      reason: `the model's input ${shown} is not grey`,
    });
  if (channels !== sourceChannels && sourceChannels !== 1 && !(channels === 1 && sourceChannels === 3))
    throw new SecateurError('data-shape', {
      reason: `the data have ${sourceChannels} channels, the model takes ${channels}`,
    });
  for (const key of ['mean', 'std'] as const) {
    const values = given?.[key];
    if (values && values.length !== 1 && values.length !== channels)
      throw new SecateurError('preprocess-invalid', {
        path: `(${key})`,
        reason: `it has ${values.length} values for ${channels} channels`,
      });
  }
  const height = flat ? undefined : inputShape[h!],
    width = flat ? undefined : inputShape[w!];
  const target = known(height) && known(width) ? { width, height } : null;
  const colorOrder = given?.colorOrder ?? (channels === 1 ? 'GRAY' : 'RGB');
  const integer = inputDtype === DType.UINT8 || inputDtype === DType.INT8;
  const deduced: Preprocess = integer ? { dtype: 'uint8' } : { dtype: 'float32', rescale: 1 / 255 };
  const preprocess: Preprocess = { ...(given ?? deduced), layout, colorOrder };
  if (!given) {
    const values = integer ? 'raw 0..255' : 'scaled to 0..1, no mean and std';
    notes.push(
      `No preprocessing was given; deduced from the input ${shown} ${dtypeName(inputDtype)}: ${layout}, ${colorOrder}, ${values}. ` +
        'If the model was trained with other values, give them; otherwise its accuracy is understated.',
    );
  }
  return { preprocess, layout, channels, target, flatten: flat };
}

export interface ImageLayout {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly strideC: number;
}

/**
 * The layout of an array's samples as images for this model, or null when they are not images. `sample` is the shape
 * without N.
 */
export function imageLayout(sample: readonly number[], inputShape: readonly number[]): ImageLayout | null {
  const rank = inputShape.length,
    size = sample.reduce((a, b) => a * b, 1);
  // A flat model takes rows of pixels. This applies only where the data are pictures and the counts agree.
  if (rank === 2 && !(sample.length >= 2 && (inputShape[1] === size || !known(inputShape[1])))) return null;
  if (rank !== 2 && rank !== 4) return null;
  const chw = ([channels, height, width]: readonly number[]): ImageLayout => ({
    height: height!,
    width: width!,
    channels: channels!,
    strideY: width!,
    strideX: 1,
    strideC: height! * width!,
  });
  const hwc = ([height, width, channels]: readonly number[]): ImageLayout => ({
    height: height!,
    width: width!,
    channels: channels!,
    strideY: width! * channels!,
    strideX: channels!,
    strideC: 1,
  });
  if (sample.length === 2) return chw([1, ...sample]);
  if (sample.length !== 3) return null;
  const first = isChannels(sample[0]),
    last = isChannels(sample[2]);
  if (first && last) return rank === 4 && layoutOf(inputShape) === 'NHWC' ? hwc(sample) : chw(sample);
  if (first) return chw(sample);
  if (last) return hwc(sample);
  return null;
}
