/** The parts that the components of a package play when it answers a prompt or compares a picture with texts. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { ComponentShape, PackageShape, PortShape } from '../families/contract.ts';
import { hasCache, hasInput } from '../families/ports.ts';

export interface AnswerParts {
  /**
   * `merged`: image features are written into the prompt; `crossed`: the decoder reads the encoder's outputs beside its
   * tokens; `text`: there is no picture.
   */
  readonly kind: 'merged' | 'crossed' | 'text';
  readonly encoder: ComponentShape | null;
  /** Token embeddings, where the decoder takes embeddings. */
  readonly embedding: ComponentShape | null;
  readonly decoder: ComponentShape;
  /** The decoder of all runs but the first, where the package has one of its own. */
  readonly next: ComponentShape | null;
}

export interface DualParts {
  readonly kind: 'dual';
  readonly image: ComponentShape;
  readonly text: ComponentShape;
}

export const takes = (c: ComponentShape, name: RegExp): PortShape | undefined =>
  c.inputs.find((p) => name.test(p.name));

const PIXELS = /^pixel_values$/i;

const refuse = (reason: string): never => {
  throw new SecateurError('run-unsupported', { reason });
};

/** @throws 'run-unsupported' with the part that is missing */
export function partsOf(pkg: PackageShape): AnswerParts | DualParts {
  const writers = pkg.components.filter(isDecoder);
  const pictures = pkg.components.filter((c) => takes(c, PIXELS));
  const encoder = pictures.find((c) => !takes(c, /^input_ids$/i)) ?? null;
  if (writers.length > 0) return answering(pkg, writers, encoder, pictures);
  const text = pkg.components.find((c) => takes(c, /^input_ids$/i) && !takes(c, PIXELS) && embeds(c, 'text'));
  if (encoder && text && embeds(encoder, 'image')) return { kind: 'dual', image: encoder, text };
  return refuse(
    pictures.length > 0 && encoder === null
      ? 'its pictures and tokens enter one component, and the runner needs an encoder of its own'
      : 'it has no decoder that returns logits, and no pair of an image and a text encoder that return embeddings',
  );
}

/** True for a component that turns tokens, or their embeddings, into logits. */
const isDecoder = (c: ComponentShape): boolean =>
  c.outputs.some((p) => /^logits$/i.test(p.name)) &&
  hasInput(c, /^(input_ids|inputs_embeds|decoder_input_ids)$/i) &&
  !takes(c, PIXELS);

const embeds = (c: ComponentShape, of: 'image' | 'text'): boolean =>
  c.outputs.some((p) => new RegExp(`^(${of}_embeds?|${of}_embeddings?|pooler_output)$`, 'i').test(p.name));

function answering(
  pkg: PackageShape,
  writers: readonly ComponentShape[],
  encoder: ComponentShape | null,
  pictures: readonly ComponentShape[],
): AnswerParts {
  const { decoder, next } = decodersOf(writers);
  if (pictures.length > 0 && encoder === null)
    refuse('its pictures and tokens enter one component, and the runner needs an encoder of its own');
  if (takes(decoder, /^inputs_embeds$/i)) {
    const embedding = pkg.components.find((c) => c !== decoder && takes(c, /^input_ids$/i) && !isDecoder(c));
    if (!embedding) refuse('its decoder takes embeddings, and no component makes them from tokens');
    return { kind: encoder ? 'merged' : 'text', encoder, embedding: embedding!, decoder, next };
  }
  const reads = encoder !== null && decoder.inputs.some((p) => contextOf(p.name, encoder) !== null);
  if (encoder && !reads) refuse(`no input of ${decoder.id} takes the outputs of ${encoder.id}`);
  const seq = takes(decoder, /^encoder_hidden_states$/i);
  if (!encoder && seq) refuse(`its decoder reads ${seq.name}, and no component makes them from a picture`);
  return { kind: encoder ? 'crossed' : 'text', encoder, embedding: null, decoder, next };
}

/** One decoder, or a pair: the first without a cache, the other for all further tokens. */
function decodersOf(writers: readonly ComponentShape[]): Pick<AnswerParts, 'decoder' | 'next'> {
  const [only, ...more] = writers;
  if (more.length === 0) return { decoder: only!, next: null };
  const first = writers.filter((c) => !hasCache(c));
  const next = writers.filter(hasCache);
  if (first.length === 1 && next.length === 1) return { decoder: first[0]!, next: next[0]! };
  return refuse(`it has several decoders: ${writers.map((c) => c.id).join(', ')}`);
}

/**
 * The output of the encoder that a decoder's input takes: the one of the same name, or for `encoder_hidden_states` the
 * encoder's states. Null for other inputs.
 */
export function contextOf(input: string, encoder: ComponentShape): string | null {
  const names = encoder.outputs.map((p) => p.name);
  if (names.includes(input)) return input;
  if (!/^encoder_(hidden_states|outputs)$/i.test(input)) return null;
  return (
    names.find((n) => /^last_hidden_state$/i.test(n)) ?? encoder.outputs.find((p) => p.shape.length === 3)?.name ?? null
  );
}
