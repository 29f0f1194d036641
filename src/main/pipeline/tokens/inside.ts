/** Packages whose decoder drops image tokens: all of them are computed and read up to a layer, and fewer behind it. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { ImageMarks, MarkRoute } from '../../../shared/model/fewer-tokens.ts';
import type { ComponentShape } from '../../engine/families/contract.ts';
import { imageNoteOf } from '../../engine/families/image-tokens.ts';
import type { Model } from '../../engine/ir/model.ts';
import { type AnswerParts, partsOf } from '../../engine/generation/parts.ts';
import { DECODER_CRITERIA } from '../../engine/structures/tokens/decoder/criteria/registry.ts';
import { cutDecoder } from '../../engine/structures/tokens/decoder/cut-decoder.ts';
import { findDecoder } from '../../engine/structures/tokens/decoder/find.ts';
import { isSkipped } from '../../engine/structures/tokens/decoder/ports.ts';
import { cutsFor } from '../../engine/structures/tokens/decoder/schedule.ts';
import type { Decoder } from '../../engine/structures/tokens/decoder/types.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { type Marking, markingFor } from './image-route.ts';
import { imagesPerPicture, visionDims, type TokenSubject } from './subject.ts';
import type { Made } from './variants.ts';

/** Begins the names of methods that leave out tokens inside the decoder. */
export const PREFIX = 'decoder-';

export const INSIDE_NAMES: readonly string[] = DECODER_CRITERIA.map((c) => PREFIX + c.name);

export interface InsideOptions {
  readonly layers: readonly number[] | null;
  readonly marks: MarkRoute | null;
}

/** A decoder that can drop tokens, opened once for all criteria. */
interface Opened {
  readonly component: ComponentShape;
  readonly decoder: Decoder;
  readonly marking: Marking;
}

export class InsideMethods {
  readonly #subject: TokenSubject;
  readonly #options: InsideOptions;
  #opened: Opened | { readonly refused: string } | undefined;

  constructor(subject: TokenSubject, options: InsideOptions) {
    this.#subject = subject;
    this.#options = options;
  }

  /** How image tokens are marked; null where the decoder drops none. */
  get marks(): ImageMarks | null {
    return this.#opened && 'marking' in this.#opened ? this.#opened.marking.report : null;
  }

  /**
   * @param method one of `INSIDE_NAMES`
   * @param keep tokens per picture or tile that are left behind the last cut, without class tokens
   */
  variant(method: string, keep: number): Made {
    const opened = (this.#opened ??= this.#open());
    if ('refused' in opened) return { method, ...opened };
    const { component, decoder, marking } = opened;
    const { place, pkg, encoder } = this.#subject;
    const images = imagesPerPicture(this.#subject, pkg.shape.configs);
    const [count, left] = [images * place.count, images * (keep + place.fixed)];
    // Class tokens in front would shift the rows.
    const columns = place.fixed === 0 ? (place.grid?.[1] ?? null) : null;
    const criterion = method.slice(PREFIX.length);
    const schedule = cutsFor(decoder, criterion, { count, keep: left, layers: this.#options.layers, columns });
    if ('refused' in schedule) return { method, ...schedule };
    const { route, start, models, report } = marking;
    const model = orRefused(() => cutDecoder(decoder, schedule, route, { start, count }));
    if ('refused' in model) return { method, ...model };
    const steps = schedule.cuts.map(({ layer }, i) => {
      const [kept, most] = [schedule.kept[i]!, schedule.left[i]!];
      return `${kept}${most > kept ? ` to ${most}` : ''} from layer ${layer} on`;
    });
    return {
      method,
      tokens: left,
      prompt: count,
      how: `${steps.join(', ')}, of ${decoder.layers.length} layers`,
      models: new Map([[component.id, model], ...models]),
      reporting: {
        component: 'decoder',
        models: () => new Map([[component.id, cutDecoder(decoder, schedule, route, { start, count }, true)], ...models]), // prettier-ignore
      },
      configs: {},
      dims: visionDims(encoder, { images }),
      notes:
        report.route === 'span' ? [`The picture must begin at token ${start} of every prompt, counted from 0.`] : [],
    };
  }

  #open(): Opened | { readonly refused: string } {
    const { pkg, crossed } = this.#subject;
    if (crossed) return { refused: 'the decoder reads the picture beside its tokens, and no token of its prompt is of the picture' }; // prettier-ignore
    const parts = partsOf(pkg.shape) as AnswerParts;
    if (parts.next) return { refused: `the decoder is in two files, ${parts.decoder.file} and ${parts.next.file}, and a cut needs one with caches` }; // prettier-ignore
    const model = openModelFile(pkg.fileOf(parts.decoder.id));
    if (imageNoteOf(model)) return { refused: 'the decoder drops image tokens already' };
    const decoder = findDecoder(model);
    if (isSkipped(decoder)) return { refused: `${decoder.reason} (${decoder.operator})` };
    const marking = markingFor(this.#subject, parts, this.#options.marks);
    return 'refused' in marking ? marking : { component: parts.decoder, decoder, marking };
  }
}

/** A model, or why a rewrite refuses to make it. */
function orRefused(make: () => Model): Model | { readonly refused: string } {
  try {
    return make();
  } catch (e) {
    if (!(e instanceof SecateurError) || e.code !== 'plan-invalid') throw e;
    return { refused: String(e.detail['reason']) };
  }
}
