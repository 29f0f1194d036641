/**
 * The contract of a head: what one meaning of an output implies wherever outputs are compared. One file per head in this
 * folder exports `head`; registry.ts finds it. A head says how it is recognised, how far an output is from the original's
 * (search), which loss recovers it (recovery), which cotangent stands for its divergence (curvature), how its quality is
 * judged and what a prediction looks like in words.
 *
 * Outputs are batches with the samples along the first axis. An output whose samples lie along another axis is compared by
 * the head of numbers (`comparedBy` in registry.ts).
 */
import type { OutputMeaning, OutputReading } from '../../../shared/model/job.ts';
import type { OutputQuality } from '../../../shared/model/quality.ts';
import type { GraphBuilder } from '../autodiff/builder.ts';
import type { HostTensor } from '../executor.ts';
import type { Value } from '../ir/value.ts';
import type { Evidence, Output } from './support/output.ts';

export type Meanings = ReadonlyMap<string, OutputMeaning>;
export type Outputs = Readonly<Record<string, HostTensor>>;

/** How strongly something speaks for a reading. The head with the strongest evidence reads the output. */
export const STRENGTH = {
  /** Nothing speaks for another reading. */
  none: 0,
  guess: 1,
  /** The last operator computes features. */
  features: 2,
  /** Width or size. */
  shape: 3,
  name: 4,
  /** The last operator decides each value by itself (Sigmoid). */
  decision: 5,
  /** Labels, class names, a time step among the inputs. */
  data: 6,
  /** The last operator leaves no doubt (Softmax, scaling to unit length). */
  end: 7,
  /** Element type or rank leave nothing else. */
  type: 8,
  /** Values or sizes of several tensors fit together. */
  layout: 9,
  /** Of several rows of numbers this one fits the labels. */
  labels: 10,
} as const;

/** What a head finds in an output: the meaning without what is the same for all heads. */
export type Found = Pick<OutputMeaning, 'guessed' | 'why' | 'threshold' | 'axis'>;
export interface Claim extends Found {
  readonly strength: number;
}

/** How to read the outputs of a model. */
export interface Look {
  /** Names of the outputs in the graph's order. */
  readonly order: readonly string[];
  readonly meanings: Meanings;
  /** Height and width of the input, where it is a picture. */
  readonly picture: readonly [number, number] | null;
}

/** Distance of a batch of outputs from the reference that it was made for, mean per sample; 0 for equal outputs. */
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
  /** Of distillation (Hinton et al. 2015). */
  readonly temperature: number;
}

export interface CotangentOutput {
  readonly meaning: OutputMeaning | undefined;
  readonly out: Value;
  /** Random numbers of the output's shape, drawn as `noise` says. */
  readonly noise: Value;
  readonly shape: readonly number[];
  /** Samples of one probe. */
  readonly batch: number;
  /** The output is a Softmax already. */
  readonly probabilities: boolean;
}

/** One output of the original and of the candidate, a batch of each. */
export interface Rows {
  readonly ref: ArrayLike<number>;
  readonly out: ArrayLike<number>;
  /** Samples, and elements of each. */
  readonly count: number;
  readonly size: number;
  /** Sizes of the output. */
  readonly dims: readonly number[];
  readonly labels?: ArrayLike<number> | null | undefined;
}

/** Figures that stand in `Quality` beside those of the output. */
export interface Extra {
  readonly top1?: number;
  readonly top1Interval?: OutputQuality['interval'];
  readonly top5?: number;
  readonly kl?: number;
  readonly pixels?: number;
  readonly boxes?: number;
}
export type Figures = Omit<OutputQuality, 'name' | 'reading'>;

/** Takes an output batch by batch and gives its figures. */
export interface Judge {
  add(rows: Rows): void;
  figures(): Figures;
  extra?(): Extra;
}

/** A prediction of one sample in a few words, before and after. */
export interface Said {
  readonly before: string;
  readonly after: string;
}

/** Several outputs that mean something together, as the original's outputs show it. */
export interface Joint {
  readonly reading: OutputReading;
  /** The outputs that belong together, in the order in which they are compared. The figures stand under the first. */
  readonly names: readonly [string, ...string[]];
  /** The number of rows is the model's own choice: other counts are compared as nothing. */
  readonly varies: boolean;
  /** Absent: each output is compared by itself. */
  distance?(reference: Outputs): Distance;
  /** Absent: each output has a loss of its own. @param outputs those of `names` */
  loss?(b: GraphBuilder, outputs: readonly LossOutput[], o: LossOptions): Value;
  judge(): JointJudge;
  /** Of the first sample. */
  say(before: Outputs, after: Outputs): Said;
}

export interface JointJudge {
  /** @param o.nothing the candidate found nothing: what its outputs hold is not its own */
  add(reference: Outputs, candidate: Outputs, o: { readonly nothing: boolean }): void;
  figures(): Figures;
  extra(): Extra;
}

export interface Head {
  readonly reading: OutputReading;
  /** How strongly an output looks like this reading; null where nothing speaks for it. */
  claim(o: Output, e: Evidence): Claim | null;
  /** For a reading that the user sets. @throws ImpossibleReading where the output cannot be read so */
  accept(o: Output, e: Evidence): Found;
  /** Distance of one output; null where it holds nothing that can be compared (integers). */
  distance(want: HostTensor, meaning: OutputMeaning | undefined): ((have: HostTensor) => number) | null;
  /** A scalar, mean over the samples; 0 for equal outputs. */
  loss(b: GraphBuilder, output: LossOutput, o: LossOptions): Value;
  /**
   * Random cotangent v of the output: 1/(2 batch) E[(v' d)^2] is the distance of a small change d. @returns [...shape]
   */
  cotangent(b: GraphBuilder, o: CotangentOutput): Value;
  /** How the random numbers of the cotangent are drawn. */
  noise(meaning: OutputMeaning | undefined): 'normal' | 'gumbel';
  judge(meaning: OutputMeaning | undefined): Judge;
  /** The figure that the quality floor limits. */
  readonly floor: 'agreement' | 'psnrDb';
  /** Integers of this output name something and are judged. */
  readonly integers?: boolean;
  /** Of the first sample. Absent: the cosine with the original's output is told. */
  say?(
    before: HostTensor,
    after: HostTensor,
    o: { meaning: OutputMeaning; names: readonly string[] | null },
  ): Said | null;
  /** Loss against labels [N], where labels can be about this output. */
  labelLoss?(b: GraphBuilder, output: Omit<LossOutput, 'given'>, labels: Value): Value;
  /** True where `labelLoss` serves an output of this meaning. */
  takesLabels?(meaning: OutputMeaning | undefined): boolean;
  /** Names of the outputs whose values lie as those of this reading; evidence for `claim`. */
  layoutIn?(outputs: Outputs, order: readonly string[], picture: Look['picture']): readonly string[];
  /** The same by names and shapes alone, where no values were seen. */
  layoutOf?(outputs: readonly Output[]): readonly string[];
  /** Several outputs of this reading that mean something together; null: each stands for itself. */
  together?(outputs: Outputs, look: Look): Joint | null;
  /** True where the loss of outputs of these shapes can be told only from values (`together`). */
  needsValues?(outputs: readonly Pick<LossOutput, 'name' | 'shape' | 'meaning'>[]): boolean;
}

/** A reading that an output cannot have, or an output that is not there. */
export class ImpossibleReading extends Error {}
