/**
 * Determines which files of a folder are the components of a package. Exporters name a component by its folder
 * (`unet/model.onnx`) or by its file (`onnx/vision_encoder.onnx`), and write the same graph in several precisions.
 */
import type { ComponentRole } from '../../../shared/model/package.ts';

/** Precision suffixes of transformers.js and optimum. */
const PRECISION = /[_.-](fp16|float16|fp32|q4f16|q4|q8|int8|uint8|bnb4|quantized)$/i;

/** Generic file names: the folder names the component. */
const PLAIN = /^(model|model_merged)$/i;

/** Folders that contain components without naming one. */
const CONTAINER = /^(onnx|models?|weights)$/i;

export interface FoundComponent {
  readonly id: string;
  readonly file: string;
  readonly variants: readonly string[];
}

/** Components of a package. @param files `.onnx` files relative to the package, with forward slashes */
export function componentsOf(files: readonly string[]): FoundComponent[] {
  const byId = new Map<string, { file: string; precision: string }[]>();
  for (const file of [...files].sort()) {
    const { id, precision } = nameOf(file);
    const same = byId.get(id);
    if (same) same.push({ file, precision });
    else byId.set(id, [{ file, precision }]);
  }
  const found = [...byId].map(([id, all]) => {
    const [first, ...rest] = all.sort((a, b) => rank(a.precision) - rank(b.precision));
    return { id, file: first!.file, variants: rest.map((r) => r.file) };
  });
  return mergeDecoders(found);
}

/** Sort key, full precision first: no suffix, then fp32, then any other. */
const rank = (precision: string): number => (precision === '' ? 0 : /fp32/i.test(precision) ? 1 : 2);

function nameOf(file: string): { id: string; precision: string } {
  const parts = file.split('/');
  const stem = parts.pop()!.replace(/\.onnx$/i, '');
  const precision = PRECISION.exec(stem)?.[1] ?? '';
  const name = precision ? stem.replace(PRECISION, '') : stem;
  const folder = parts.filter((p) => !CONTAINER.test(p)).join('_');
  if (folder === '') return { id: name, precision };
  return { id: PLAIN.test(name) ? folder : `${folder}_${name}`, precision };
}

/** A merged decoder contains the one with a cache and the one without, so those two become its variants. */
function mergeDecoders(found: FoundComponent[]): FoundComponent[] {
  const merged = found.find((c) => /decoder.*_merged$/i.test(c.id));
  if (!merged) return found;
  const base = merged.id.replace(/_merged$/i, '');
  const others = found.filter((c) => c.id === base || c.id === base.replace(/_model$/i, '_with_past_model'));
  const variants = [...merged.variants, ...others.flatMap((c) => [c.file, ...c.variants])];
  return found.filter((c) => !others.includes(c)).map((c) => (c === merged ? { ...c, variants } : c));
}

/** Port names of a component, in the graph's order. */
export interface PortNames {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

const ROLE_BY_NAME: readonly (readonly [RegExp, ComponentRole])[] = [
  [/vae_?decoder|latent_?decoder/i, 'latent-decoder'],
  [/vae_?encoder|latent_?encoder/i, 'latent-encoder'],
  [/text_decoder|^decoder|language_model/i, 'decoder'],
  [/^(vision|image)_?(encoder|model|tower)|^vision/i, 'vision-encoder'],
  [/^text_?(encoder|model)/i, 'text-encoder'],
  [/embed_tokens|^embeddings?$/i, 'embedding'],
  [/^(unet|transformer|denoiser)$/i, 'denoiser'],
  [/^encoder/i, 'encoder'],
];

/** The role of a component: decided by its ports where they are unambiguous, else by its name. */
export function roleOf(id: string, { inputs, outputs }: PortNames): ComponentRole {
  const takes = (r: RegExp): boolean => inputs.some((n) => r.test(n));
  const gives = (r: RegExp): boolean => outputs.some((n) => r.test(n));
  const named = ROLE_BY_NAME.find(([r]) => r.test(id))?.[1];
  if (takes(/^(timesteps?|sigma)$/i)) return 'denoiser';
  if (gives(/^logits$/i) && (takes(/^past_key_values|^past_|cache/i) || named === 'decoder')) return 'decoder';
  if (named) return named;
  if (takes(/^pixel_values$/i) && gives(/features|embeds|hidden/i) && !takes(/input_ids/i)) return 'vision-encoder';
  return 'model';
}
