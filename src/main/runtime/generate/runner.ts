/**
 * Answers prompts with the components of a package: image encoder, token embeddings, decoder with its cache. The graphs
 * decide what is fed; the configuration decides special tokens and limits.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { HostTensor } from '../../engine/executor.ts';
import { type AnswerParts, contextOf, partsOf } from '../../engine/generation/parts.ts';
import { rowsOf } from '../../engine/generation/placeholders.ts';
import { greedy, sample } from '../../engine/generation/sampling.ts';
import {
  declaredImageTokens,
  defaultAnswer,
  endTokens,
  mostPositions,
  settingsNotApplied,
} from '../../engine/generation/settings.ts';
import { seededRandom } from '../../engine/random.ts';
import type { Answer, GenerateRequest, ImageInput, Prompt, RunnerPackage, StopReason, Token } from './contract.ts';
import { lastRows, Sequence } from './decoder.ts';
import { embed } from './embed.ts';
import { crossedPrompt, mergedPrompt, NO_TEMPLATE, placeholderOf, requireCoder } from './prompts.ts';
import { encode, prepared, Sessions } from './sessions.ts';
import { TextStream } from './text-stream.ts';

/** An encoded picture. */
export interface EncodedImage {
  /** Outputs of the encoder by name. */
  readonly outputs: Readonly<Record<string, HostTensor>>;
  /** Image features or states: the output that the decoder, or the prompt, takes. */
  readonly features: HostTensor;
  /** Feature rows of the picture. */
  readonly rows: number;
  readonly tensors: Readonly<Record<string, HostTensor>>;
}

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
  async encodeImage(image: ImageInput): Promise<EncodedImage> {
    const { image: ready } = await prepared(this.#pkg, image);
    const { outputs } = await encode(this.#sessions, this.#encoder(), ready);
    const features = this.#featuresOf(outputs);
    return { outputs, features, rows: rowsOf(features), tensors: ready.tensors };
  }

  /** Logits of every position of the prompt, in one run. */
  async prefillLogits(prompt: Prompt): Promise<Logits & { readonly ids: readonly number[] }> {
    const { logits, ids } = await this.#start(prompt, true);
    return { ...asRows(logits, logits.dims.at(-2)!), ids };
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

  close(): Promise<void> {
    return this.#sessions.close();
  }

  #encoder(): NonNullable<AnswerParts['encoder']> {
    if (this.parts.encoder) return this.parts.encoder;
    throw new SecateurError('run-unsupported', { reason: 'it has no image encoder' });
  }

  #ends(): ReadonlySet<number> {
    const said = endTokens(this.#pkg.shape);
    const own = this.#pkg.coder?.end;
    return new Set(said.length > 0 ? said : own != null ? [own] : []);
  }

  /** Reads picture and prompt. */
  async #start({ image, prompt }: Prompt, all: boolean): Promise<Started> {
    const { parts } = this;
    const pkg = this.#pkg;
    if (image !== undefined && parts.kind === 'text')
      throw new SecateurError('run-image', { reason: 'the package reads text only' });
    if (image === undefined && parts.kind === 'crossed')
      throw new SecateurError('run-image', { reason: 'the package needs one, and none was given' });
    if (image === undefined && prompt === undefined)
      throw new SecateurError('run-prompt', { reason: 'none was given' });
    const picture = image === undefined ? null : await this.#picture(image);
    const notes = [...(picture?.notes ?? [])];
    const text = prompt ?? '';
    const ids =
      parts.kind === 'crossed'
        ? crossedPrompt(pkg, text)
        : mergedPrompt(pkg, text, picture && { rows: picture.rows, grid: picture.grid });
    if (picture && parts.kind === 'merged' && pkg.chatTemplate === null) notes.push(NO_TEMPLATE);
    if (ids.length === 0) throw new SecateurError('run-prompt', { reason: 'it is empty' });
    const limit = mostPositions(pkg.shape);
    if (limit !== null && ids.length > limit) throw new SecateurError('prompt-too-long', { tokens: ids.length, limit });
    const context: Record<string, HostTensor> = {};
    if (parts.kind === 'crossed')
      for (const { name } of [...parts.decoder.inputs, ...(parts.next?.inputs ?? [])]) {
        const output = contextOf(name, this.#encoder());
        if (output !== null) context[name] = picture!.outputs[output]!;
      }
    const open = async (c: AnswerParts['decoder']) => ({ component: c, session: await this.#sessions.of(c) });
    const sequence = new Sequence(
      pkg.shape,
      await open(parts.decoder),
      parts.next && (await open(parts.next)),
      context,
    );
    // Sessions are opened before the clock starts.
    if (parts.embedding) await this.#sessions.of(parts.embedding);
    const begun = performance.now();
    const isImage =
      parts.kind === 'merged' && picture ? ids.map((id) => id === placeholderOf(pkg).id) : ids.map(() => false);
    const embeds = await embed(
      pkg,
      this.#sessions,
      parts.embedding,
      ids,
      parts.kind === 'merged' ? (picture?.features ?? null) : null,
    );
    const embedded = performance.now();
    const logits = await sequence.read({ ids, embeds, isImage, all });
    return {
      sequence,
      logits,
      ids,
      imageTokens: picture?.rows ?? 0,
      times: {
        image: picture?.imageMs ?? 0,
        vision: picture?.visionMs ?? 0,
        embed: parts.embedding ? embedded - begun : 0,
        prefill: performance.now() - embedded,
      },
      notes,
    };
  }

  async #picture(image: ImageInput) {
    const { image: ready, ms } = await prepared(this.#pkg, image);
    const encoder = this.#encoder();
    await this.#sessions.of(encoder);
    const { outputs, ms: visionMs } = await encode(this.#sessions, encoder, ready);
    const features = this.#featuresOf(outputs);
    const rows = rowsOf(features);
    const notes = [...ready.notes];
    const said = this.parts.kind === 'merged' ? declaredImageTokens(this.#pkg.shape) : null;
    const each = rows / ready.grid.images;
    if (said !== null && said !== each)
      notes.push(
        `The configuration declares ${said} image tokens, and the encoder returns ${each}; the prompt has ${each}.`,
      );
    return { outputs, features, rows, grid: ready.grid, imageMs: ms, visionMs, notes };
  }

  #featuresOf(outputs: Readonly<Record<string, HostTensor>>): HostTensor {
    const encoder = this.#encoder();
    const names = encoder.outputs.map((p) => p.name);
    const crossed = this.parts.kind === 'crossed';
    const taken = crossed
      ? this.parts.decoder.inputs.map((p) => contextOf(p.name, encoder)).find((name) => name !== null)
      : names.find((name) => /^image_(features|embeds)$/i.test(name));
    return outputs[taken ?? names[0]!]!;
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
