/**
 * The contract of a head: how outputs with one meaning are compared. One file per head in this folder exports `head`;
 * registry.ts finds it. A head defines how it is recognised, the distance from the original's output (search), the loss
 * that recovers it (recovery), the cotangent that represents its divergence (curvature), how its quality is judged, and
 * how a prediction is described in words.
 *
 * Outputs are batches with the samples along the first axis. An output whose samples lie along another axis is compared
 * by the head of numbers (`comparedBy` in registry.ts).
 */
import type { OutputMeaning, OutputReading } from '../../../shared/model/job.ts';
import type { OutputQuality } from '../../../shared/model/quality.ts';
import type { GraphBuilder } from '../autodiff/builder.ts';
import type { HostTensor } from '../executor.ts';
import type { Value } from '../ir/value.ts';
import type { Evidence, Output } from './support/output.ts';

export type Meanings = ReadonlyMap<string, OutputMeaning>;
export type Outputs = Readonly<Record<string, HostTensor>>;

/** Strength of evidence for a reading. The head with the strongest evidence reads the output. */
export const STRENGTH = {
  /** No evidence for any specific reading. */
  none: 0,
  guess: 1,
  /** The last operator computes features. */
  features: 2,
  /** Width or size. */
  shape: 3,
  name: 4,
  /** The last operator makes a separate decision per value (Sigmoid). */
  decision: 5,
  /** Labels, class names, or a time step among the inputs. */
  data: 6,
  /** The last operator determines the reading (Softmax, scaling to unit length). */
  end: 7,
  /** Element type or rank allow only this reading. */
  type: 8,
  /** Values or sizes of several tensors match. */
  layout: 9,
  /** This row of numbers fits the labels best among several. */
  labels: 10,
} as const;

/** A head's findings about an output: the meaning without the parts common to all heads. */
export type Found = Pick<OutputMeaning, 'guessed' | 'why' | 'threshold' | 'axis'>;
export interface Claim extends Found {
  readonly strength: number;
}

/** How to interpret the outputs of a model. */
export interface Look {
  /** Names of the outputs in the graph's order. */
  readonly order: readonly string[];
  readonly meanings: Meanings;
  /** Height and width of the input; null where it is not an image. */
  readonly picture: readonly [number, number] | null;
}

/** Distance of a batch of outputs from its reference, mean per sample; 0 for equal outputs. */
export type Distance = (other: Outputs) => number;

export interface LossOutput {
  readonly name: string;
  readonly meaning: OutputMeaning | undefined;
  /** The student's output and the original's, both of this shape. */
  readonly own: Value;
  readonly given: Value;
  readonly shape: readonly number[];
}

export interface LossOptions {
  /** Temperature of distillation (Hinton et al. 2015). */
  readonly temperature: number;
}

export interface CotangentOutput {
  readonly meaning: OutputMeaning | undefined;
  readonly out: Value;
  /** Random numbers of the output's shape, drawn as `noise` specifies. */
  readonly noise: Value;
  readonly shape: readonly number[];
  /** Number of samples of one probe. */
  readonly batch: number;
  /** The output is a Softmax already. */
  readonly probabilities: boolean;
}

/** One output of the original and of the candidate, a batch of each. */
export interface Rows {
  readonly ref: ArrayLike<number>;
  readonly out: ArrayLike<number>;
  /** Number of samples, and of elements per sample. */
  readonly count: number;
  readonly size: number;
  /** Sizes of the output. */
  readonly dims: readonly number[];
  readonly labels?: ArrayLike<number> | null | undefined;
}

/** Additional figures of an output in `Quality`. */
export interface Extra {
  readonly top1?: number;
  readonly top1Interval?: OutputQuality['interval'];
  readonly top5?: number;
  readonly kl?: number;
  readonly pixels?: number;
  readonly boxes?: number;
}
export type Figures = Omit<OutputQuality, 'name' | 'reading'>;

/** Accumulates an output batch by batch and returns its figures. */
export interface Judge {
  add(rows: Rows): void;
  figures(): Figures;
  extra?(): Extra;
}

/** A short description of the prediction for one sample, before and after. */
export interface Said {
  readonly before: string;
  readonly after: string;
}

/** Several outputs that have a joint meaning, recognised from the original's outputs. */
export interface Joint {
  readonly reading: OutputReading;
  /** The outputs that belong together, in the order of comparison. Their figures are listed under the first. */
  readonly names: readonly [string, ...string[]];
  /** The model chooses the number of rows. Other counts are compared as if empty. */
  readonly varies: boolean;
  /** Absent: each output is compared separately. */
  distance?(reference: Outputs): Distance;
  /**
   * Absent: each output has a separate loss.
   * @param outputs those of `names`
   */
  loss?(b: GraphBuilder, outputs: readonly LossOutput[], o: LossOptions): Value;
  judge(): JointJudge;
  /** Describes the first sample. */
  say(before: Outputs, after: Outputs): Said;
}

export interface JointJudge {
  /** @param o.nothing the candidate found nothing: its outputs hold values that are not its own */
  add(reference: Outputs, candidate: Outputs, o: { readonly nothing: boolean }): void;
  figures(): Figures;
  extra(): Extra;
}

export interface Head {
  readonly reading: OutputReading;
  /** Evidence that an output has this reading; null where there is none. */
  claim(o: Output, e: Evidence): Claim | null;
  /**
   * For a reading that the user set.
   * @throws ImpossibleReading where the output cannot have this reading
   */
  accept(o: Output, e: Evidence): Found;
  /** Distance of one output; null where it holds only values that cannot be compared (integers). */
  distance(want: HostTensor, meaning: OutputMeaning | undefined): ((have: HostTensor) => number) | null;
  /** A scalar, mean over the samples; 0 for equal outputs. */
  loss(b: GraphBuilder, output: LossOutput, o: LossOptions): Value;
  /**
   * Random cotangent v of the output: 1/(2 batch) E[(v' d)^2] is the distance of a small change d. @returns [...shape]
   */
  cotangent(b: GraphBuilder, o: CotangentOutput): Value;
  /** Distribution of the random numbers of the cotangent. */
  noise(meaning: OutputMeaning | undefined): 'normal' | 'gumbel';
  judge(meaning: OutputMeaning | undefined): Judge;
  /** The figure that the quality floor limits. */
  readonly floor: 'agreement' | 'psnrDb';
  /** Integers of this output are identifiers and are judged. */
  readonly integers?: boolean;
  /** Describes the first sample. Absent: the cosine with the original's output is shown. */
  say?(
    before: HostTensor,
    after: HostTensor,
    o: { meaning: OutputMeaning; names: readonly string[] | null },
  ): Said | null;
  /** Loss against labels [N], where labels can apply to this output. */
  labelLoss?(b: GraphBuilder, output: Omit<LossOutput, 'given'>, labels: Value): Value;
  /** True where `labelLoss` supports an output of this meaning. */
  takesLabels?(meaning: OutputMeaning | undefined): boolean;
  /** Names of the outputs whose values have the layout of this reading; evidence for `claim`. */
  layoutIn?(outputs: Outputs, order: readonly string[], picture: Look['picture']): readonly string[];
  /** The same from names and shapes alone, without values. */
  layoutOf?(outputs: readonly Output[]): readonly string[];
  /** Several outputs of this reading with a joint meaning; null: each output is separate. */
  together?(outputs: Outputs, look: Look): Joint | null;
  /** True where the loss for outputs of these shapes can only be determined from values (`together`). */
  needsValues?(outputs: readonly Pick<LossOutput, 'name' | 'shape' | 'meaning'>[]): boolean;
}

/** A reading that an output cannot have, or an output that does not exist. */
export class ImpossibleReading extends Error {}
