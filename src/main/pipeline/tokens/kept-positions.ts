/** Packages whose selected tokens keep the positions that they had among all tokens of the picture. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import { type AnswerParts, partsOf } from '../../engine/generation/parts.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import type { Model } from '../../engine/ir/model.ts';
import { appendFlag, appendMergedPlaces } from '../../engine/structures/tokens/decoder/image-mask.ts';
import { keepPositions, movableDecoder } from '../../engine/structures/tokens/decoder/keep-positions.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { usualStart } from './image-route.ts';
import { imagesPerPicture, type TokenSubject } from './subject.ts';

interface Opened {
  readonly decoderId: string;
  readonly decoder: Model;
  readonly embeddingId: string;
  /** With the channel for positions. */
  readonly embedding: Model;
  readonly start: number;
}

/** Makes the other components of selections behind the encoder, opened once for all methods. */
export class KeptPositions {
  readonly #subject: TokenSubject;
  #opened: Opened | { readonly refused: string } | undefined;
  readonly #decoders = new Map<number, Model>();

  constructor(subject: TokenSubject) {
    this.#subject = subject;
  }

  /** Embedding and decoder by id. @param left tokens of the picture that are left, class tokens included */
  models(left: number): ReadonlyMap<string, Model> | { readonly refused: string } {
    try {
      const opened = (this.#opened ??= this.#open());
      if ('refused' in opened) return opened;
      const { decoder, decoderId, embedding, embeddingId, start } = opened;
      const { count } = this.#subject.place;
      // A square picture is cut into the most tiles.
      const most = imagesPerPicture(this.#subject, this.#subject.pkg.shape.configs);
      const moved = this.#decoders.get(left) ?? keepPositions(decoder, { count, left, start, most });
      this.#decoders.set(left, moved);
      return new Map([[embeddingId, embedding], [decoderId, moved]]); // prettier-ignore
    } catch (e) {
      if (!(e instanceof SecateurError) || e.code !== 'plan-invalid') throw e;
      return { refused: String(e.detail['reason']) };
    }
  }

  #open(): Opened | { readonly refused: string } {
    const { pkg, crossed } = this.#subject;
    if (crossed) return { refused: 'the decoder reads the picture beside its tokens' };
    const parts = partsOf(pkg.shape) as AnswerParts;
    if (parts.next)
      return {
        refused:
          'the decoder is in two files, and the one that reads the picture has no cache, by which layers are found',
      };
    if (!parts.embedding) return { refused: 'the decoder takes ids, which have no channels' };
    if (parts.decoder.imageNote) return { refused: 'the decoder drops image tokens itself' };
    const decoder = openModelFile(pkg.fileOf(parts.decoder.id));
    const movable = movableDecoder(decoder);
    if ('refused' in movable) return movable;
    const { model: embedding } = cloneModel(openModelFile(pkg.fileOf(parts.embedding.id)));
    const features = embedding.graph.inputs.find((v) => /^image_(features|embeds)$/i.test(v.name));
    if (features) appendMergedPlaces(embedding, features);
    else appendFlag(embedding, 0);
    const usual = usualStart(this.#subject);
    const start = typeof usual === 'number' ? usual : 1;
    return { decoder, decoderId: parts.decoder.id, embedding, embeddingId: parts.embedding.id, start };
  }
}
