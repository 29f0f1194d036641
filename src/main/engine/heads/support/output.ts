/** Known facts about an output whose meaning is inferred, and queries that several heads share. */
import type { OutputReading } from '../../../../shared/model/job.ts';
import { axisBatchFirst } from '../../batch-first.ts';
import type { Value } from '../../ir/value.ts';
import { DType } from '../../ir/dtype.ts';
import { graphEnd, type GraphEnd } from './ends.ts';
import type { Labelled } from './labelled.ts';

export interface Output {
  readonly name: string;
  /** Sizes with the batch first; empty where unknown. */
  readonly dims: readonly number[];
  readonly dtype: number;
  readonly end: GraphEnd;
  /** Whether the rank is 2 without trailing axes of size one. */
  readonly flat: boolean;
  /** Width of a flat output. */
  readonly width: number;
}

/** Names of outputs by reading. */
export type Layouts = Readonly<Partial<Record<OutputReading, readonly string[]>>>;

/** Known facts about a model's outputs besides their graph. */
export interface Evidence {
  /** Sizes and type of an output, the batch first; undefined where it was not observed. */
  readonly shapeOf: (name: string) => { readonly dims: readonly number[]; readonly dtype: number } | undefined;
  /** Batch axis of an output in the model's own layout; default 0. */
  readonly batchAxisOf?: (name: string) => number | undefined;
  /** Sizes and types of the fed inputs. */
  readonly inputs: readonly { readonly name: string; readonly dims: readonly number[]; readonly dtype?: number }[];
  /** The largest label, where there are labels and they apply to this output. */
  readonly largestLabel?: number | null;
  readonly classNames?: number | null;
  /** Outputs that belong together, by the reading of their layout. */
  readonly layouts?: Layouts;
  /** This output was selected for the labels by its width alone, among several. */
  readonly chosen?: Labelled;
  /** Readings that the user set. */
  readonly given?: Readonly<Record<string, OutputReading>>;
}

/** @param seen its sizes and type, as far as known */
export function outputOf(
  v: Value,
  seen: { readonly dims: readonly number[]; readonly dtype: number } | undefined,
  batchAxis: number = 0,
): Output {
  const dims = seen?.dims ?? [];
  const flat = dims.length === 2 || (dims.length > 2 && dims.slice(2).every((d) => d === 1));
  const end = graphEnd(v);
  const axis = end.axis === null ? null : axisBatchFirst(end.axis < 0 ? end.axis + dims.length : end.axis, batchAxis);
  return {
    name: v.name,
    dims,
    dtype: seen?.dtype ?? DType.FLOAT,
    end: { ...end, axis },
    flat,
    width: flat ? dims[1]! : 0,
  };
}

export const isFloat = (o: Pick<Output, 'dtype'>): boolean => FLOATS.includes(o.dtype);

/** A clause that names the last operator. */
export const endOf = (o: Output): string => `the graph ends in ${o.end.operator}`;

/**
 * The end of every guess.
 * @param readings alternative readings, such as 'classes|embedding'
 */
export const correct = (name: string, readings: string): string =>
  `guessed: --output ${name}=${readings} says otherwise`;

/** Channels of a batch of images of at least 8 pixels a side: 1 or 3, else null. */
export function channelsOf(dims: readonly number[]): number | null {
  if (dims.length !== 4) return null;
  const [, a, b, c] = dims as [number, number, number, number];
  if ((a === 1 || a === 3) && Math.min(b, c) >= 8) return a;
  return (c === 1 || c === 3) && Math.min(a, b) >= 8 ? c : null;
}

/** Channels of the only input that is an image, else null. */
export function pictureInput(e: Evidence): number | null {
  const pictures = e.inputs.map((i) => channelsOf(i.dims)).filter((c) => c !== null);
  return pictures.length === 1 ? pictures[0]! : null;
}

/** The class axis of a map: the one narrower than the others, 1 or the last. The last one for three axes. */
export function classAxis({ dims }: Pick<Output, 'dims'>): number | null {
  const last = dims.length - 1;
  if (dims.length === 3) return last;
  const [a, c] = [dims[1]!, dims[last]!];
  const spatial = (from: number, to: number): number => Math.min(...dims.slice(from, to));
  if (a < spatial(2, last + 1)) return 1;
  if (c < spatial(1, last)) return last;
  return null;
}

/** True where an input of four axes has the same number of channels on the same axis. */
export const sameChannels = (o: Output, e: Evidence, axis: number): boolean =>
  e.inputs.some((i) => i.dims.length === 4 && i.dims[axis] === o.dims[axis]);

/** Sizes for messages. */
export const shapeText = (o: Output): string => `its shape is [${o.dims.join(', ')}]`;

export const FLOATS: readonly number[] = [DType.FLOAT, DType.FLOAT16, DType.DOUBLE];
const NAMES = {
  classes: /(^|[^a-z])(logits?|prob(s|abilit(y|ies))?|scores?|class(es|ifier|ification)?|cls|softmax|labels?)($|[^a-z])/i,
  embedding: /embed|(^|[^a-z])(feat(ure)?s?|descriptors?|pooler|vectors?|repr(esentation)?s?|latents?)($|[^a-z])/i,
  numbers: /regress|(^|[^a-z])(bbox(es)?|box(es)?|coord(inate)?s?|landmarks?|keypoints?|angles?|values?|depth|disp(arity)?|flow|offsets?|deltas?|pose|age|mean|sigma|noise|eps(ilon)?|targets?)($|[^a-z])/i,
  map: /(^|[^a-z])(seg(ment(ation)?)?|masks?|logits?|class(es)?|prob(s|abilit(y|ies))?|heatmaps?|maps?)($|[^a-z])/i,
} as const; // prettier-ignore
export const named = (o: Output, as: keyof typeof NAMES): boolean =>
  o.end.names.slice(0, 3).some((n) => NAMES[as].test(n.replace(/([a-z])([A-Z])/g, '$1_$2').replaceAll('_', ' ')));
