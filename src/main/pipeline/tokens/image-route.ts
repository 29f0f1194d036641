/** How a decoder that drops image tokens learns which tokens of a prompt they are, and which runners follow. */
import type { ImageMarks, MarkRoute } from '../../../shared/model/fewer-tokens.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { ComponentShape } from '../../engine/families/contract.ts';
import type { AnswerParts } from '../../engine/generation/parts.ts';
import { ONE_PIECE } from '../../engine/images/grid.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import type { Model } from '../../engine/ir/model.ts';
import { appendFlag, appendMergedFlag, type ImageRoute } from '../../engine/structures/tokens/decoder/image-mask.ts';
import { chatTemplateOf } from '../../runtime/generate/chat.ts';
import { mergedPrompt, placeholderOf } from '../../runtime/generate/prompts.ts';
import { openTextCoder } from '../../runtime/generate/text-coder.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { pixelsOf, type TokenSubject } from './subject.ts';

export interface Marking {
  readonly route: ImageRoute;
  /** Place of the first image token in a usual prompt. */
  readonly start: number;
  /** Components besides the decoder that mark image tokens, by id. */
  readonly models: ReadonlyMap<string, Model>;
  readonly report: ImageMarks;
}

type Way = { readonly route: ImageRoute; readonly models: ReadonlyMap<string, Model> } | { readonly refused: string };

const WHY: Readonly<Record<MarkRoute, string>> = {
  flag: 'embeddings and image features carry the mark through any runner that passes them on unchanged',
  span: 'the decoder knows the place of the picture in the prompt',
  input: 'the decoder gets a mask of the image tokens beside them',
};

/**
 * The first route that is possible of flag, span and input: runners follow more of the first ones.
 * @param asked a route that is wanted instead
 */
export function markingFor(
  subject: TokenSubject,
  parts: AnswerParts,
  asked: MarkRoute | null,
): Marking | { readonly refused: string } {
  const usual = usualStart(subject);
  const ways: Readonly<Record<MarkRoute, () => Way>> = {
    flag: () => flagged(subject, parts),
    span: () => spanned(subject, usual),
    input: () => ({ route: { route: 'input' }, models: new Map() }),
  };
  const refusals: string[] = [];
  for (const route of asked ? [asked] : (['flag', 'span', 'input'] as const)) {
    const way = ways[route]();
    if ('refused' in way) {
      refusals.push(`the route ${route} is not possible, because ${way.refused}`);
      continue;
    }
    const chosen = asked ? 'as asked' : refusals.length > 0 ? refusals.join('; ') : 'the one that most runners follow';
    const report = { route, reason: `${WHY[route]} (${chosen})`, ...runnersOf(parts.decoder, route) };
    return { ...way, start: typeof usual === 'number' ? usual : 1, report };
  }
  return { refused: refusals.join('; ') };
}

/** One more channel of the embeddings. */
function flagged({ pkg, encoder, model }: TokenSubject, { embedding }: AnswerParts): Way {
  if (!embedding) return { refused: 'the decoder takes ids, which have no channels' };
  const models = new Map<string, Model>();
  const copyOf = (id: string): Model => {
    const { model: copy } = cloneModel(id === encoder.id ? model : openModelFile(pkg.fileOf(id)));
    models.set(id, copy);
    return copy;
  };
  try {
    const words = copyOf(embedding.id);
    const features = words.graph.inputs.find((v) => /^image_(features|embeds)$/i.test(v.name));
    if (features) appendMergedFlag(words, features);
    else {
      appendFlag(words, 0);
      appendFlag(copyOf(encoder.id), 1);
    }
  } catch (e) {
    if (!(e instanceof SecateurError) || e.code !== 'plan-invalid') throw e;
    return { refused: String(e.detail['reason']) };
  }
  return { route: { route: 'flag' }, models };
}

/** A place that is the same in every prompt. */
function spanned({ place, encoder }: TokenSubject, start: number | string): Way {
  if (pixelsOf(encoder).shape.length === 5) return { refused: 'the number of tiles differs between pictures' };
  if (typeof start === 'string') return { refused: start };
  return { route: { route: 'span', start, count: place.count }, models: new Map() };
}

/** Place of the first image token in prompts of one picture, or why it is not one and the same. */
export function usualStart({ pkg, place, encoder }: TokenSubject): number | string {
  try {
    const runner = { shape: pkg.shape, coder: openTextCoder(pkg.root), chatTemplate: chatTemplateOf(pkg.root) };
    const { id } = placeholderOf(runner);
    const tiled = pixelsOf(encoder).shape.length === 5;
    const picture = { rows: place.count, grid: { ...ONE_PIECE, tiled } };
    const [a, b] = ['', 'a'].map((text) => {
      const ids = mergedPrompt(runner, text, picture);
      const first = ids.indexOf(id);
      return ids.lastIndexOf(id) - first === place.count - 1 ? first : -1;
    });
    return a! >= 0 && a === b ? a! : 'the picture has no one place in prompts';
  } catch (e) {
    if (!(e instanceof SecateurError)) throw e;
    return `the place of the picture in prompts is not known (${e.message.replace(/\.$/, '')})`;
  }
}

/** Programs that run the package where they ran the original, and those that do not, with the reason. */
function runnersOf(decoder: ComponentShape, route: MarkRoute): Pick<ImageMarks, 'runs' | 'refuses'> {
  const batch = decoder.inputs.find((p) => /^past/i.test(p.name))?.shape[0];
  const refusal =
    route === 'input'
      ? 'it does not feed image_mask'
      : !/^onnx\/decoder_model_merged/i.test(decoder.file)
        ? `it looks for onnx/decoder_model_merged.onnx, and the decoder is ${decoder.file}`
        : typeof batch === 'string' && batch !== 'batch_size'
          ? `it makes empty caches only for a batch axis called batch_size, and the decoder calls it ${batch}`
          : null;
  return {
    runs: ['Secateur', ...(refusal === null ? ['transformers.js'] : [])],
    refuses: [
      ...(refusal === null ? [] : [{ runner: 'transformers.js', reason: refusal }]),
      { runner: 'onnxruntime-genai', reason: 'it assumes one length for the caches of all layers' },
    ],
  };
}
