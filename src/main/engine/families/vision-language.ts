/** Vision-language models and captioning: an image is encoded, then a decoder generates an answer. */
import type { ComponentShape, FamilyRule, PackageShape } from './contract.ts';
import { generationMetrics, generationPhases, TOKENS } from './generation.ts';
import { configNumber, dimsFor, hasInput, withRole } from './ports.ts';

const partsOf = (pkg: PackageShape) => ({
  vision: withRole(pkg, 'vision-encoder', 'encoder').find((c) => hasInput(c, /pixel_values/i)),
  decoder: withRole(pkg, 'decoder')[0],
  embedding: withRole(pkg, 'embedding')[0],
});

/** Number of tokens per image. */
function imageTokens(pkg: PackageShape): number {
  const said = configNumber(pkg, ['image_seq_len', 'image_seq_length', 'mm_tokens_per_image']);
  if (said !== null) return said;
  const sections = ['vision_config', 'encoder'];
  const [side, patch] = [configNumber(pkg, ['image_size'], sections), configNumber(pkg, ['patch_size'], sections)];
  if (side === null || patch === null) return 64;
  const scale = configNumber(pkg, ['scale_factor']) ?? 1;
  const patches = Math.floor(side / patch) ** 2 / scale ** 2;
  // Encoders whose output feeds cross-attention keep their class token.
  const crossed = partsOf(pkg).decoder;
  return Math.max(1, Math.round(patches)) + (crossed && hasInput(crossed, /encoder_hidden_states/i) ? 1 : 0);
}

export const family: FamilyRule = {
  priority: 30,
  detect(pkg) {
    const { vision, decoder } = partsOf(pkg);
    return vision && decoder ? 'vlm' : null;
  },
  serves(pkg, asked) {
    const { vision, decoder } = partsOf(pkg);
    return asked === 'vlm' && vision !== undefined && decoder !== undefined;
  },
  settings: [
    { name: 'prompt', about: 'tokens of the prompt without the picture', least: 1, most: 100_000, default: () => 32 },
    { name: 'image', about: 'tokens of the picture', least: 1, most: 100_000, default: imageTokens },
    TOKENS,
  ],
  workload(pkg, settings) {
    const { vision, decoder, embedding } = partsOf(pkg) as Record<string, ComponentShape> & {
      embedding?: ComponentShape;
    };
    const { prompt, image, tokens } = settings as { prompt: number; image: number; tokens: number };
    const crossed = hasInput(decoder!, /encoder_hidden_states/i);
    const about = `one picture of ${image} tokens, a prompt of ${prompt} and an answer of ${tokens}`;
    // Encoders for images of any size take patches; tokens are patches merged two by two.
    const merge = configNumber(pkg, ['spatial_merge_size'], ['vision_config']) ?? 2;
    const patches = vision!.inputs.find((p) => /pixel_values/i.test(p.name) && p.shape.length === 2)?.shape[0];
    const side = configNumber(pkg, ['image_size'], ['vision_config', 'encoder']);
    const phases = [
      {
        name: 'vision',
        component: vision!.id,
        repeat: 1,
        dims: {
          ...dimsFor(vision!, { batch: 1, ...(side !== null && { side }) }),
          ...(typeof patches === 'string' && { [patches]: image * merge ** 2 }),
        },
      },
      ...generationPhases(pkg, {
        decoder: decoder!,
        embedding,
        // With cross-attention, the image is not part of the prompt.
        prompt: crossed ? prompt : prompt + image,
        tokens,
        encoded: image,
      }),
    ];
    return { about, phases, metrics: generationMetrics(phases, about) };
  },
};
