/**
 * Answers prompts with the components of a package: image encoder, token embeddings, decoder with its cache. The graphs
 * decide what is fed; the configuration decides special tokens and limits.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { HostTensor } from '../../engine/executor.ts';
import type { ComponentShape } from '../../engine/families/contract.ts';
import { type AnswerParts, partsOf } from '../../engine/generation/parts.ts';
import { greedy, sample } from '../../engine/generation/sampling.ts';
import { defaultAnswer, endTokens, mostPositions, settingsNotApplied } from '../../engine/generation/settings.ts';
import { seededRandom } from '../../engine/random.ts';
import type { Answer, GenerateRequest, ImageInput, Prompt, RunnerPackage, StopReason, Token } from './contract.ts';
import { lastRows, type OpenDecoder, Sequence } from './decoder.ts';
import { embed } from './embed.ts';
import { crossedPrompt, mergedPrompt, NO_TEMPLATE, placeholderOf, requireCoder } from './prompts.ts';
import { contextOfParts, type EncodedImage, encodePicture } from './picture.ts';
import { joinTokens } from './rows.ts';
import { Sessions } from './sessions.ts';
import { TextStream } from './text-stream.ts';

export interface Logits {
  /** Row by row, [rows, vocabulary]. */
  readonly data: Float32Array;
  readonly rows: number;
  readonly vocabulary: number;
}

/** A prompt that the decoder has read. */
interface Started {
  readonly sequence: Sequence;
  readonly logits: HostTensor;
  readonly ids: readonly number[];
  /** For every token, whether it is an image feature. */
  readonly isImage: readonly boolean[];
  readonly imageTokens: number;
  readonly times: { readonly image: number; readonly vision: number; readonly embed: number; readonly prefill: number };
  readonly notes: readonly string[];
}

export class AnswerRunner {
  readonly parts: AnswerParts;
  readonly #pkg: RunnerPackage;
  readonly #sessions: Sessions;

  /** @throws 'run-unsupported' for a package that does not write answers */
  constructor(pkg: RunnerPackage) {
    const parts = partsOf(pkg.shape);
    if (parts.kind === 'dual')
      throw new SecateurError('run-unsupported', { reason: 'it compares pictures with texts and writes no answers' });
    this.parts = parts;
    this.#pkg = pkg;
    this.#sessions = new Sessions(pkg.open);
  }

  /**
   * @param onToken called for each token of the answer, before the next one is computed
   * @param signal ends the answer before its next token; the tokens so far are returned
   * @throws 'run-*', 'prompt-too-long', 'image-unreadable', 'runtime-rejected'
   */
  async generate(request: GenerateRequest, onToken?: (token: Token) => void, signal?: AbortSignal): Promise<Answer> {
    const { shape, coder } = this.#pkg;
    const stream = coder ? new TextStream(coder) : null;
    const ends = this.#ends();
    const started = await this.#start(request, false);
    const pick = picker(request);
    const most = request.tokens ?? defaultAnswer(shape);
    const positions = mostPositions(shape);
    const ids: number[] = [];
    const steps: number[] = [];
    let { logits } = started;
    let stop: StopReason | null = null;
    while (stop === null) {
      const before = performance.now();
      if (ids.length > 0) logits = await this.#step(started.sequence, [ids.at(-1)!], false);
      const id = pick(lastRows(logits, 1));
      if (ids.length > 0) steps.push(performance.now() - before);
      ids.push(id);
      const isEnd = ends.has(id);
      const text = isEnd ? '' : (stream?.push(id) ?? '');
      onToken?.({ id, text });
      if (isEnd) stop = 'end';
      else if (ids.length >= most) stop = 'tokens';
      else if (positions !== null && started.sequence.length >= positions) stop = 'positions';
      else if (await aborted(signal)) stop = 'cancelled';
    }
    const { imageTokens, times, notes } = started;
    const held = stream?.end() ?? '';
    if (held !== '') onToken?.({ id: ids.at(-1)!, text: held });
    const ignored = settingsNotApplied(shape);
    return {
      text: stream?.text ?? ids.join(' '),
      ids,
      stop,
      promptTokens: started.ids.length,
      imageTokens,
      times: { ...times, steps },
      notes: [
        ...notes,
        ...(ignored.length > 0
          ? [`Generation settings of the package that are not applied: ${ignored.join(', ')}.`]
          : []),
        ...(stream ? [] : ['The package has no tokenizer: the answer is a list of token ids.']),
      ],
    };
  }

  /** Runs the image encoder alone. @throws 'run-unsupported' where the package has none */
  encodeImage(image: ImageInput): Promise<EncodedImage> {
    return encodePicture(this.#pkg, this.#sessions, this.parts, image);
  }

  /**
   * Logits of every position of the prompt, in one run.
   * @param following tokens that are read behind the prompt
   */
  async prefillLogits(
    prompt: Prompt,
    following: readonly number[] = [],
  ): Promise<Logits & Pick<Started, 'ids' | 'isImage'>> {
    const { logits, ids, isImage } = await this.#start(prompt, true, following);
    return { ...asRows(logits, logits.dims.at(-2)!), ids, isImage };
  }

  /**
   * Logits along a given answer: row i was computed from the prompt and the first i tokens of the answer. The prompt is
   * read at once and the answer token by token, as in `generate`.
   */
  async answerLogits(prompt: Prompt, answer: readonly number[]): Promise<Logits> {
    const { sequence, logits } = await this.#start(prompt, false);
    const vocabulary = logits.dims.at(-1)!;
    const data = new Float32Array(answer.length * vocabulary);
    if (answer.length > 0) data.set(lastRows(logits, 1));
    for (let i = 1; i < answer.length; i++)
      data.set(lastRows(await this.#step(sequence, [answer[i - 1]!], false), 1), i * vocabulary);
    return { data, rows: answer.length, vocabulary };
  }

  /** Places of image features among the tokens of a prompt. @throws 'run-package' */
  imagePlaces(ids: readonly number[]): number[] {
    const { id } = placeholderOf(this.#pkg);
    return ids.flatMap((token, place) => (token === id ? [place] : []));
  }

  close(): Promise<void> {
    return this.#sessions.close();
  }

  #ends(): ReadonlySet<number> {
    const said = endTokens(this.#pkg.shape);
    const own = this.#pkg.coder?.end;
    return new Set(said.length > 0 ? said : own != null ? [own] : []);
  }

  /** Reads picture and prompt, and tokens behind them. Sessions are opened before the clock starts. */
  async #start(prompt: Prompt, all: boolean, following: readonly number[] = []): Promise<Started> {
    const { parts } = this;
    const pkg = this.#pkg;
    requireInputs(parts, prompt);
    const picture = await this.#picture(prompt.image);
    const asked = promptTokens(pkg, parts, prompt.prompt ?? '', picture);
    const ids = [...asked, ...following];
    const open = async (c: ComponentShape): Promise<OpenDecoder> => ({
      component: c,
      session: await this.#sessions.of(c),
    });
    const context = picture && parts.kind === 'crossed' ? contextOfParts(parts, picture.outputs) : {};
    const next = parts.next && (await open(parts.next));
    const sequence = new Sequence(pkg.shape, await open(parts.decoder), next, context);
    if (parts.embedding) await this.#sessions.of(parts.embedding);
    const features = parts.kind === 'merged' ? (picture?.features ?? null) : null;
    const place = features ? placeholderOf(pkg).id : null;
    const begun = performance.now();
    const first = await embed(pkg, this.#sessions, parts.embedding, asked, features);
    // A placeholder among the tokens of an answer stands for no feature.
    const behind = following.length > 0 ? await embed(pkg, this.#sessions, parts.embedding, following, null) : null;
    const embeds = first && behind ? joinTokens(first, behind) : first;
    const embedded = performance.now();
    const isImage = ids.map((id, i) => i < asked.length && id === place);
    const logits = await sequence.read({ ids, embeds, isImage, all });
    const prefill = performance.now() - embedded;
    const isPlain = features !== null && pkg.chatTemplate === null;
    return {
      sequence,
      logits,
      ids,
      isImage,
      imageTokens: picture?.rows ?? 0,
      times: {
        image: picture?.times.image ?? 0,
        vision: picture?.times.vision ?? 0,
        embed: parts.embedding ? embedded - begun : 0,
        prefill,
      },
      notes: [...(picture?.notes ?? []), ...(isPlain ? [NO_TEMPLATE] : [])],
    };
  }

  async #picture(image: Prompt['image']): Promise<EncodedImage | null> {
    if (image === undefined) return null;
    return typeof image === 'object' && 'features' in image ? image : this.encodeImage(image);
  }

  async #step(sequence: Sequence, ids: readonly number[], all: boolean): Promise<HostTensor> {
    const embeds = await embed(this.#pkg, this.#sessions, this.parts.embedding, ids, null);
    return sequence.read({ ids, embeds, isImage: ids.map(() => false), all });
  }

  /** Text of tokens. @throws 'run-package' without a vocabulary */
  textOf(ids: readonly number[]): string {
    return requireCoder(this.#pkg).decode(ids);
  }
}

const asRows = (logits: HostTensor, rows: number): Logits => ({
  data: lastRows(logits, rows),
  rows,
  vocabulary: logits.dims.at(-1)!,
});

function picker({ sampling }: GenerateRequest): (logits: Float32Array) => number {
  if (!sampling) return greedy;
  const random = seededRandom(sampling.seed);
  return (logits) => sample(logits, sampling, random);
}

/** Lets pending events run first: the runtime blocks the thread, so an abort can only arrive between tokens. */
async function aborted(signal: AbortSignal | undefined): Promise<boolean> {
  if (!signal) return false;
  await new Promise((resolve) => setImmediate(resolve));
  return signal.aborted;
}

/** @throws 'run-image', 'run-prompt' */
function requireInputs({ kind }: AnswerParts, { image, prompt }: Prompt): void {
  if (image !== undefined && kind === 'text')
    throw new SecateurError('run-image', { reason: 'the package reads text only' });
  if (image === undefined && kind === 'crossed')
    throw new SecateurError('run-image', { reason: 'the package needs one, and none was given' });
  if (image === undefined && prompt === undefined) throw new SecateurError('run-prompt', { reason: 'none was given' });
}

/** @throws 'run-prompt', 'run-package', 'prompt-too-long' */
function promptTokens(pkg: RunnerPackage, { kind }: AnswerParts, text: string, picture: EncodedImage | null): number[] {
  const ids =
    kind === 'crossed'
      ? crossedPrompt(pkg, text)
      : mergedPrompt(pkg, text, picture && { rows: picture.rows, grid: picture.image.grid });
  if (ids.length === 0) throw new SecateurError('run-prompt', { reason: 'it is empty' });
  const limit = mostPositions(pkg.shape);
  if (limit !== null && ids.length > limit) throw new SecateurError('prompt-too-long', { tokens: ids.length, limit });
  return ids;
}
