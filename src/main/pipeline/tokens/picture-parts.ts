/** Where the pictures that an encoder gets lie in the picture of the user. */
import type { PicturePart } from '../../../shared/model/visual-tokens.ts';
import { imageRecipeOf } from '../../data/image-recipe.ts';
import { decodeImage } from '../../data/pixels.ts';
import { planImage, type ImagePlan } from '../../engine/images/plan.ts';
import { pixelsOf, type TokenSubject } from './subject.ts';

type Box = Omit<PicturePart, 'kept'>;

const WHOLE = { x: 0, y: 0, width: 1, height: 1 };

/** @throws 'image-unreadable', 'lfs-pointer' */
export async function pictureParts({ pkg, encoder }: TokenSubject, file: string): Promise<Box[]> {
  const { width, height } = await decodeImage(file, true);
  const { recipe } = imageRecipeOf(pkg.shape.configs, pixelsOf(encoder));
  return partsOfPlan(planImage(recipe, width, height), { width, height });
}

/**
 * One part, or the tiles row by row and the overview.
 * @param given size of the upright picture
 * @internal
 */
export function partsOfPlan(plan: ImagePlan, given: { readonly width: number; readonly height: number }): Box[] {
  const whole = plan.resizes.at(-1) ?? given;
  if (plan.tiles.length > 0) {
    const tiles = plan.tiles.map(({ x, y, width, height }) => ({
      x: x / whole.width,
      y: y / whole.height,
      width: width / whole.width,
      height: height / whole.height,
      overview: false,
    }));
    return [...tiles, ...(plan.overview ? [{ ...WHOLE, overview: true }] : [])];
  }
  const { crop } = plan;
  if (!crop) return [{ ...WHOLE, overview: false }];
  return [
    {
      x: Math.floor((whole.width - crop.width) / 2) / whole.width,
      y: Math.floor((whole.height - crop.height) / 2) / whole.height,
      width: crop.width / whole.width,
      height: crop.height / whole.height,
      overview: false,
    },
  ];
}
