/**
 * Common ways to turn 0..255 pixels into model inputs; most models were trained with one of them.
 */
import type { Preprocess } from './job.ts';

export type PreprocessPreset =
  | 'imagenet'
  | 'minus-one-to-one'
  | 'zero-to-one'
  | 'zero-to-255'
  | 'imagenet-bgr'
  | 'minus-one-to-one-bgr'
  | 'zero-to-one-bgr'
  | 'zero-to-255-bgr';

/** The keys set by a preset: everything but geometry and layout. */
export type ValueScale = Required<Pick<Preprocess, 'rescale' | 'mean' | 'std'>>;

const SCALES = {
  imagenet: { rescale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  'minus-one-to-one': { rescale: 2 / 255, mean: [1], std: [1] },
  'zero-to-one': { rescale: 1 / 255, mean: [0], std: [1] },
  'zero-to-255': { rescale: 1, mean: [0], std: [1] },
} as const satisfies Record<string, ValueScale>;

const LABELS: Record<keyof typeof SCALES, string> = {
  imagenet: 'ImageNet mean and deviation',
  'minus-one-to-one': '-1..1',
  'zero-to-one': '0..1',
  'zero-to-255': '0..255',
};

export interface PresetInfo {
  readonly name: PreprocessPreset;
  readonly label: string;
  readonly colorOrder: 'RGB' | 'BGR';
  readonly scale: ValueScale;
}

export const PRESET_LIST: readonly PresetInfo[] = (['RGB', 'BGR'] as const).flatMap((colorOrder) =>
  Object.entries(SCALES).map(([name, scale]) => ({
    name: (colorOrder === 'BGR' ? `${name}-bgr` : name) as PreprocessPreset,
    label: `${LABELS[name as keyof typeof SCALES]}, ${colorOrder}`,
    colorOrder,
    scale,
  })),
);

/** Finds a preset by name. `bgr` is the short name of OpenCV's format: 0..255, blue first. */
export function presetNamed(name: string): PresetInfo | undefined {
  return PRESET_LIST.find((p) => p.name === (name === 'bgr' ? 'zero-to-255-bgr' : name));
}

/**
 * Combines the values of a preset with the geometry, layout and interpolation of `base`. A single
 * channel has no colour order and no mean per colour, so it gets the mean of the three.
 */
export function withPreset(base: Preprocess | null, preset: PresetInfo, channels: number): Preprocess {
  const { rescale: _r, mean: _m, std: _s, colorOrder: _c, dtype: _d, ...geometry } = base ?? {};
  const grey = (x: readonly number[]): number[] =>
    channels === 1 ? [x.reduce((a, b) => a + b, 0) / x.length] : [...x];
  const { rescale, mean, std } = preset.scale;
  return {
    ...geometry,
    dtype: 'float32',
    colorOrder: channels === 1 ? 'GRAY' : preset.colorOrder,
    rescale,
    mean: grey(mean),
    std: grey(std),
  };
}
