/** Compares pictures with texts: both become vectors of the same space, and their cosine is the score. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { HostTensor } from '../../engine/executor.ts';
import { filled } from '../../engine/families/named-inputs.ts';
import { type DualParts, partsOf } from '../../engine/generation/parts.ts';
import { rootConfig } from '../../engine/generation/settings.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { ComponentShape } from '../../engine/families/contract.ts';
import type { ImageInput, RunnerPackage } from './contract.ts';
import { lastRows } from './decoder.ts';
import { requireCoder } from './prompts.ts';
import { encode, prepared } from './picture.ts';
import { Sessions } from './sessions.ts';

export interface Comparison {
  /** Cosine of the picture and each text, in the order of the texts. */
  readonly scores: readonly number[];
  /** Milliseconds: preparing the picture, the image encoder, each run of the text encoder. */
  readonly times: { readonly image: number; readonly vision: number; readonly texts: readonly number[] };
  readonly notes: readonly string[];
}

interface Embedded {
  /** [width], of length 1. */
  readonly vector: Float32Array;
  readonly ms: number;
}

export class DualRunner {
  readonly parts: DualParts;
  readonly #pkg: RunnerPackage;
  readonly #sessions: Sessions;

  /** @throws 'run-unsupported' for a package without an image and a text encoder */
  constructor(pkg: RunnerPackage) {
    const parts = partsOf(pkg.shape);
    if (parts.kind !== 'dual')
      throw new SecateurError('run-unsupported', { reason: 'it writes answers and has no texts to compare with' });
    this.parts = parts;
    this.#pkg = pkg;
    this.#sessions = new Sessions(pkg.open);
  }

  /** @throws 'run-*', 'prompt-too-long', 'image-unreadable', 'runtime-rejected' */
  async compare(image: ImageInput, texts: readonly string[]): Promise<Comparison> {
    const picture = await this.encodeImage(image);
    const scores: number[] = [];
    const times: number[] = [];
    for (const text of texts) {
      const { vector, ms } = await this.encodeText(text);
      scores.push(vector.reduce((sum, x, i) => sum + x * picture.vector[i]!, 0));
      times.push(ms);
    }
    return { scores, times: { image: picture.imageMs, vision: picture.ms, texts: times }, notes: picture.notes };
  }

  async encodeImage(image: ImageInput): Promise<Embedded & { imageMs: number; notes: readonly string[] }> {
    const { image: ready, ms: imageMs } = await prepared(this.#pkg, image);
    await this.#sessions.of(this.parts.image);
    const { outputs, ms } = await encode(this.#sessions, this.parts.image, ready);
    return { vector: unit(embeddingOf(this.parts.image, outputs, 'image')), ms, imageMs, notes: ready.notes };
  }

  /** @param text or its tokens, special ones included */
  async encodeText(text: string | readonly number[]): Promise<Embedded> {
    const { text: tower } = this.parts;
    const ids = typeof text === 'string' ? requireCoder(this.#pkg).encode(text, true) : [...text];
    const feeds = this.#feeds(ids);
    const session = await this.#sessions.of(tower);
    const started = performance.now();
    const outputs = await session.run(feeds);
    return { vector: unit(embeddingOf(tower, outputs, 'text')), ms: performance.now() - started };
  }

  close(): Promise<void> {
    return this.#sessions.close();
  }

  /**
   * A tower of a fixed length gets padding behind the text, and so does SigLIP, which was trained on texts padded to its
   * last position.
   * @throws 'prompt-too-long', 'run-input'
   */
  #feeds(ids: readonly number[]): Record<string, HostTensor> {
    const { text: tower } = this.parts;
    const length = tower.inputs.find((p) => /^input_ids$/i.test(p.name))?.shape[1];
    const limit = typeof length === 'number' ? length : this.#positions();
    if (limit !== null && ids.length > limit) throw new SecateurError('prompt-too-long', { tokens: ids.length, limit });
    const type = rootConfig(this.#pkg.shape, 'config.json')['model_type'];
    const isPadded = typeof length === 'number' || (typeof type === 'string' && /^siglip/.test(type));
    const places = isPadded && limit !== null ? limit : ids.length;
    const pad = this.#padding();
    const feeds: Record<string, HostTensor> = {};
    for (const { name, dtype } of tower.inputs) {
      const fill = (at: (i: number) => number): HostTensor => filled(dtype ?? DType.INT64, [1, places], at);
      if (/^input_ids$/i.test(name)) feeds[name] = fill((i) => ids[i] ?? pad);
      else if (/^attention_mask$/i.test(name)) feeds[name] = fill((i) => Number(i < ids.length));
      else if (/^position_ids$/i.test(name)) feeds[name] = fill((i) => i);
      else if (/^token_type_ids$/i.test(name)) feeds[name] = fill(() => 0);
      else throw new SecateurError('run-input', { component: tower.id, input: name, reason: 'its name is unknown' });
    }
    return feeds;
  }

  #positions(): number | null {
    const text = rootConfig(this.#pkg.shape, 'config.json')['text_config'] as Record<string, unknown> | undefined;
    const said = text?.['max_position_embeddings'];
    return typeof said === 'number' ? said : null;
  }

  #padding(): number {
    const { coder } = this.#pkg;
    const token = coder?.special['pad_token'];
    return (token !== undefined && coder?.idOf(token)) || 0;
  }
}

/** @throws 'run-package' where the component returns no embedding of its picture or text */
function embeddingOf(
  component: ComponentShape,
  outputs: Readonly<Record<string, HostTensor>>,
  of: 'image' | 'text',
): Float32Array {
  const names = component.outputs.map((p) => p.name);
  const name =
    names.find((n) => new RegExp(`^${of}_embed`, 'i').test(n)) ?? names.find((n) => /^pooler_output$/i.test(n));
  if (name === undefined) throw new SecateurError('run-package', { reason: `${component.id} returns no embedding` });
  return lastRows(outputs[name]!, 1);
}

function unit(v: Float32Array): Float32Array {
  const length = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
  return v.map((x) => x / length);
}
