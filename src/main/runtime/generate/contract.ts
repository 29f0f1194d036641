/** Input and output of a runner. */
import type { PackageShape } from '../../engine/families/contract.ts';
import type { ExecSession, HostTensor } from '../../engine/executor.ts';
import type { Sampling } from '../../engine/generation/sampling.ts';
import type { ImageGrid } from '../../engine/images/grid.ts';
import type { TextCoder } from './coder.ts';
import type { EncodedImage } from './picture.ts';

/** A picture as the encoder takes it: tensors by the names of its inputs. */
export interface PreparedImage {
  readonly tensors: Readonly<Record<string, HostTensor>>;
  readonly grid: ImageGrid;
  readonly notes: readonly string[];
}

/** A file, or a picture that is prepared; tiles need their grid. */
export type ImageInput = string | (Pick<PreparedImage, 'tensors'> & Partial<PreparedImage>);

export interface RunnerPackage {
  readonly shape: PackageShape;
  readonly coder: TextCoder | null;
  /** Jinja template of conversations; null where the package has none. */
  readonly chatTemplate: string | null;
  /** Opens a component by its id. */
  open(component: string): Promise<ExecSession>;
  /** Prepares the picture of a file. */
  prepare(file: string): Promise<PreparedImage>;
}

export interface Prompt {
  /** A picture that this runner has encoded already is not encoded again. */
  readonly image?: ImageInput | EncodedImage | undefined;
  readonly prompt?: string | undefined;
}

export interface GenerateRequest extends Prompt {
  /** Most tokens of the answer; default: the package's, else 64. */
  readonly tokens?: number | undefined;
  /** Null or absent: greedy. */
  readonly sampling?: (Sampling & { readonly seed: number }) | null | undefined;
}

/** A token of the answer, as soon as it is known. */
export interface Token {
  readonly id: number;
  /** Text that became certain with it; it may be empty. */
  readonly text: string;
}

/** `positions`: the package has no more positions. */
export type StopReason = 'end' | 'tokens' | 'positions' | 'cancelled';

/** Milliseconds of one answer. */
export interface AnswerTimes {
  /** Decoding, resizing and normalizing the picture. */
  readonly image: number;
  /** Image encoder. */
  readonly vision: number;
  /** Token embeddings of the prompt. */
  readonly embed: number;
  /** First run of the decoder. */
  readonly prefill: number;
  /** Each further token: embedding, decoder and choice. */
  readonly steps: readonly number[];
}

export interface Answer {
  readonly text: string;
  /** Tokens of the answer, the end token included where it came. */
  readonly ids: readonly number[];
  readonly stop: StopReason;
  /** Tokens that the decoder read before the first one of the answer. */
  readonly promptTokens: number;
  /** Feature rows of the picture. */
  readonly imageTokens: number;
  readonly times: AnswerTimes;
  readonly notes: readonly string[];
}
