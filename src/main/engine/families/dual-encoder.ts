/** CLIP and similar models: an image and a text become vectors of the same space. */
import type { FamilyRule, PackageShape, WorkloadParts } from './contract.ts';
import { configNumber, dimsFor, withRole } from './ports.ts';

const towers = (pkg: PackageShape) => ({
  image: withRole(pkg, 'vision-encoder')[0],
  text: withRole(pkg, 'text-encoder')[0],
});

export const family: FamilyRule = {
  priority: 20,
  detect(pkg) {
    const { image, text } = towers(pkg);
    const others = withRole(pkg, 'decoder', 'denoiser', 'latent-decoder');
    return image && text && others.length === 0 ? 'dual-encoder' : null;
  },
  serves(pkg, asked) {
    const { image, text } = towers(pkg);
    return asked === 'dual-encoder' && image !== undefined && text !== undefined;
  },
  settings: [
    { name: 'texts', about: 'texts that one picture is compared with', least: 1, most: 1000, default: () => 1 },
    {
      name: 'text',
      about: 'tokens of a text',
      least: 1,
      most: 100_000,
      default: (pkg) => configNumber(pkg, ['max_position_embeddings', 'model_max_length'], ['text_config']) ?? 77,
    },
  ],
  workload(pkg, settings): WorkloadParts {
    const { image, text } = towers(pkg);
    const { texts, text: length } = settings as { texts: number; text: number };
    return {
      about: `one picture and ${texts} ${texts === 1 ? 'text' : 'texts'} of ${length} tokens`,
      phases: [
        { name: 'image', component: image!.id, repeat: 1, dims: dimsFor(image!, { batch: 1, ...sideOf(pkg) }) },
        { name: 'text', component: text!.id, repeat: texts, dims: dimsFor(text!, { batch: 1, fresh: length }) },
      ],
      metrics: [
        { name: 'total', about: 'a picture with its texts', weights: { image: 1, text: texts } },
        { name: 'per-image', about: 'one picture', weights: { image: 1 } },
        { name: 'per-text', about: 'one text', weights: { text: 1 } },
      ],
    };
  },
};

const sideOf = (pkg: PackageShape): { side?: number } => {
  const side = configNumber(pkg, ['image_size'], ['vision_config']);
  return side === null ? {} : { side };
};
