/**
 * What each output of a model means, from the end of its graph, the labels and class names that came with data, its name
 * and its shape, in this order. Nothing is taken for classes only because it has two axes: an embedding or a regression
 * would be trained and judged by a class that it does not have.
 */
import type { OutputMeaning, OutputReading } from '../../../shared/model/job.ts';
import { axisBatchFirst } from '../batch-first.ts';
import { DType } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import type { Value } from '../ir/value.ts';
import { graphEnd } from '../heads/support/ends.ts';
import { fitsLabels, labelledOutput, type Labelled } from '../heads/support/labelled.ts';
import { FLOATS, named, type Output } from '../heads/support/output.ts';

export interface Evidence {
  /** Sizes and type of an output, the batch first; undefined where it was not seen. */
  readonly shapeOf: (name: string) => { readonly dims: readonly number[]; readonly dtype: number } | undefined;
  /** Axis of an output's samples as the model gives it; default 0. */
  readonly batchAxisOf?: (name: string) => number | undefined;
  /** Sizes of the inputs that are fed. */
  readonly inputs: readonly { readonly name: string; readonly dims: readonly number[] }[];
  /** The largest label, where there are labels. */
  readonly largestLabel?: number | null;
  readonly classNames?: number | null;
  /** Outputs that were seen to hold detections. */
  readonly boxes?: readonly string[];
  /** By the user. */
  readonly given?: Readonly<Record<string, OutputReading>>;
}

export type Meanings = ReadonlyMap<string, OutputMeaning>;

/** A reading that an output cannot have, or an output that is not there. */
export class ImpossibleReading extends Error {}

/** What a guess is followed by. */
const correct = (name: string, readings: string): string => `guessed: --output ${name}=${readings} says otherwise`;

type Found = Omit<OutputMeaning, 'name' | 'source'>;
const TIME = /^(t|timesteps?|time_?steps?|sigmas?)$/i;
/** Of ImageNet-1k with and without background, and of ImageNet-21k. */
const IMAGENET = [1000, 1001, 21841, 21843];

/** In the graph's order. @throws ImpossibleReading where what was given does not fit */
export function outputMeanings(model: Model, e: Evidence): Meanings {
  const known = model.graph.outputs.map((v) => v.name);
  for (const name of Object.keys(e.given ?? {}))
    if (!known.includes(name))
      throw new ImpossibleReading(`there is no output ${name}; the outputs are ${known.join(', ')}`);
  const outputs = model.graph.outputs.map((v): Output => outputOf(v, e.shapeOf(v.name), e.batchAxisOf?.(v.name)));
  const labelled =
    typeof e.largestLabel === 'number' ? labelledOutput(outputs, { ...e, largestLabel: e.largestLabel }) : null;
  const out = new Map<string, OutputMeaning>();
  for (const o of outputs) {
    const { name } = o;
    const wanted = e.given?.[name];
    const mine = labelled?.name === name && labelled.fits;
    // Labels are about one output: they say nothing about what the others are.
    const known = mine ? e : { ...e, largestLabel: null };
    const found: Found = wanted
      ? given(o, wanted, known)
      : mine && labelled.guessed
        ? chosen(o, labelled, e)
        : inferred(o, known);
    const batchAxis = e.batchAxisOf?.(name);
    out.set(name, {
      name,
      source: wanted ? 'given' : 'inferred',
      ...found,
      ...(batchAxis && { batchAxis }),
      ...(mine && found.reading === 'classes' && { labels: true }),
    });
  }
  return out;
}

/** @param seen sizes and type of it, as far as they are known */
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

/** One of several rows of numbers, by its width alone. */
function chosen(o: Output, { classes }: Labelled, e: Evidence): Found {
  const why = `labels up to ${e.largestLabel} were given, and of the outputs that may be meant its ${classes} values fit them best; ${correct(o.name, 'embedding|numbers')}`;
  return { reading: 'classes', guessed: true, why, ...decision(o, e, 1) };
}

function given(o: Output, reading: OutputReading, e: Evidence): Found {
  const refuse = (why: string): never => {
    throw new ImpossibleReading(`${o.name} cannot be read as ${reading}: ${why}`);
  };
  const why = 'set by --output';
  const shown = `its shape is [${o.dims.join(', ')}]`;
  const float = FLOATS.includes(o.dtype);
  if (!float && reading !== 'classes' && reading !== 'map') refuse('it holds no floating-point numbers');
  switch (reading) {
    case 'boxes':
      if (!e.boxes?.includes(o.name)) refuse(`no layout of boxes that is known fits it; ${shown}`);
      return { reading, why };
    case 'classes':
      if (!float) return o.dims.length <= 2 ? { reading, why } : refuse(shown);
      if (!o.flat) refuse(`classes are one row per sample; ${shown}`);
      return { reading, why, ...decision(o, e, 1) };
    case 'map':
      if (o.dims.length < 3) refuse(`a map has more than two axes; ${shown}`);
      return float ? { reading, why, ...mapDecision(o) } : { reading, why };
    case 'image':
      if (channelsOf(o.dims) === null) refuse(`an image has four axes and 1 or 3 channels; ${shown}`);
      return { reading, why };
    case 'embedding':
      if (o.dims.length < 2) refuse(`an embedding is a row per sample; ${shown}`);
      return { reading, why };
    default:
      return { reading, why };
  }
}

function inferred(o: Output, e: Evidence): Found {
  if (e.boxes?.includes(o.name)) return { reading: 'boxes', why: 'its values lie as those of a detector' };
  if (!FLOATS.includes(o.dtype)) {
    if (o.end.end !== 'argmax') return { reading: 'numbers', why: 'integers, which are not judged' };
    return { reading: o.dims.length <= 2 ? 'classes' : 'map', why: 'the graph ends in ArgMax' };
  }
  if (o.dims.length < 2) return { reading: 'numbers', why: 'it has one axis' };
  return o.flat ? flatMeaning(o, e) : spreadMeaning(o, e);
}

/** One row per sample. */
function flatMeaning(o: Output, e: Evidence): Found {
  const { end, operator } = o.end;
  const ends = `the graph ends in ${operator}`;
  if (o.width === 1) {
    if (end === 'sigmoid') return { reading: 'classes', why: `${ends}: yes or no`, threshold: 0.5 };
    return { reading: 'numbers', why: 'it is one number per sample' };
  }
  const classes = (why: string, guessed = false): Found => ({
    reading: 'classes',
    why,
    ...(guessed && { guessed }),
    ...decision(o, e, 1),
  });
  if (end === 'softmax') return classes(ends);
  if (end === 'unit-length') return { reading: 'embedding', why: 'the graph scales it to unit length' };
  if (e.classNames === o.width) return classes(`there are ${o.width} class names`);
  if (fitsLabels(o, e.largestLabel)) return classes(`there are labels up to ${e.largestLabel} for ${o.width} values`);
  if (end === 'sigmoid' && !named(o, 'numbers')) return classes(`${ends}: each value is a yes or no`);
  if (named(o, 'classes') && !named(o, 'embedding')) return classes(`its name ${o.name} says so`);
  if (named(o, 'embedding')) return { reading: 'embedding', why: `its name ${o.name} says so` };
  if (named(o, 'numbers')) return { reading: 'numbers', why: `its name ${o.name} says so` };
  if (IMAGENET.includes(o.width)) return classes(`it has ${o.width} values, as many as ImageNet has classes`);
  if (end === 'pooled' || end === 'normalized')
    return { reading: 'embedding', why: `${ends}, with no layer of classes behind it` };
  if (typeof e.largestLabel === 'number' && e.largestLabel < o.width)
    return classes(`labels were given; ${correct(o.name, 'embedding|numbers')}`, true);
  return {
    reading: 'numbers',
    guessed: true,
    why: `nothing says what its ${o.width} values are; ${correct(o.name, 'classes|embedding')}`,
  };
}

/** Three axes and more. */
function spreadMeaning(o: Output, e: Evidence): Found {
  const { end, operator } = o.end;
  const ends = `the graph ends in ${operator}`;
  const picture = o.dims.length === 4 ? channelsOf(o.dims) : null;
  const source = e.inputs.length ? pictureInput(e) : null;
  if (end === 'softmax') return { reading: 'map', why: `${ends}: a class per position`, ...mapDecision(o) };
  if (end === 'sigmoid' && o.dims.length === 4 && !(picture === 3 && source === 3))
    return { reading: 'map', why: `${ends}: a mask, yes or no per pixel`, threshold: 0.5 };
  if (o.dims.length === 3) {
    if (named(o, 'classes')) return { reading: 'map', why: `its name ${o.name} says so`, ...mapDecision(o) };
    return { reading: 'numbers', why: 'it has three axes and no classes' };
  }
  if (o.dims.length !== 4) return { reading: 'numbers', why: `it has ${o.dims.length} axes` };
  if (e.inputs.some((i) => TIME.test(i.name))) return { reading: 'numbers', why: 'the model takes a time step: noise' };
  if (named(o, 'numbers') && !named(o, 'map')) return { reading: 'numbers', why: `its name ${o.name} says so` };
  if (picture !== null) return pictureMeaning(o, picture, source, end, ends);
  const at = classAxis(o);
  const channels = at === null ? 0 : o.dims[at]!;
  if (at === null || channels < 2) return { reading: 'numbers', why: 'it is neither a picture nor a map of classes' };
  const same = e.inputs.some((i) => i.dims.length === 4 && i.dims[at] === channels);
  if (same) return { reading: 'numbers', why: 'as many channels come in as go out' };
  if (named(o, 'map')) return { reading: 'map', why: `its name ${o.name} says so`, axis: at };
  if (o.end.resized || sameSize(o, e))
    return {
      reading: 'map',
      guessed: true,
      why: `${channels} values per pixel of the input; ${correct(o.name, 'numbers')}`,
      axis: at,
    };
  return {
    reading: 'numbers',
    guessed: true,
    why: `nothing says what its ${channels} channels are; ${correct(o.name, 'map')}`,
  };
}

/** 1 or 3 channels, four axes. */
function pictureMeaning(o: Output, channels: number, source: number | null, end: string, ends: string): Found {
  if (named(o, 'map') && end !== 'tanh')
    return { reading: 'map', why: `its name ${o.name} says so`, ...mapDecision(o) };
  if (source === channels)
    return { reading: 'image', why: `pictures of ${channels} channel${channels === 1 ? '' : 's'} come in and go out` };
  if (end === 'tanh' || (end === 'sigmoid' && channels === 3))
    return { reading: 'image', why: `${ends}, with ${channels} channels` };
  return {
    reading: 'numbers',
    guessed: true,
    why: `nothing says what its ${channels === 1 ? 'channel is' : 'channels are'}; ${correct(o.name, 'map|image')}`,
  };
}

/** How a flat output decides. Of a Sigmoid each value is a yes or no, unless labels name one class of several. */
function decision(o: Output, e: Evidence, axis: number): Pick<OutputMeaning, 'axis' | 'threshold'> {
  if (o.width === 1) return { threshold: o.end.end === 'sigmoid' ? 0.5 : 0 };
  return o.end.end === 'sigmoid' && !fitsLabels(o, e.largestLabel) ? { threshold: 0.5 } : { axis };
}

/** How a map decides: the axis of its classes, or a threshold where each channel is a mask of its own. */
function mapDecision(o: Output): Pick<OutputMeaning, 'axis' | 'threshold'> {
  if (o.end.end === 'sigmoid') return { threshold: 0.5 };
  const rank = o.dims.length;
  const axis = o.end.axis === null ? null : o.end.axis < 0 ? o.end.axis + rank : o.end.axis;
  const at = axis !== null && axis >= 1 && axis < rank ? axis : classAxis(o);
  return at === null || o.dims[at] === 1 ? { threshold: 0 } : { axis: at };
}

/** The axis that is narrower than the others: 1 or the last. Of three axes the last. */
function classAxis(o: Output): number | null {
  const { dims } = o;
  const last = dims.length - 1;
  if (dims.length === 3) return last;
  const [a, c] = [dims[1]!, dims[last]!];
  const spatial = (from: number, to: number): number => Math.min(...dims.slice(from, to));
  if (a < spatial(2, last + 1)) return 1;
  if (c < spatial(1, last)) return last;
  return null;
}

/** Channels of a batch of pictures of 8 pixels a side or more: 1 or 3, else null. */
function channelsOf(dims: readonly number[]): number | null {
  if (dims.length !== 4) return null;
  const [, a, b, c] = dims as [number, number, number, number];
  if ((a === 1 || a === 3) && Math.min(b, c) >= 8) return a;
  return (c === 1 || c === 3) && Math.min(a, b) >= 8 ? c : null;
}

function pictureInput(e: Evidence): number | null {
  const pictures = e.inputs.map((i) => channelsOf(i.dims)).filter((c) => c !== null);
  return pictures.length === 1 ? pictures[0]! : null;
}

function sameSize(o: Output, e: Evidence): boolean {
  const size = (d: readonly number[]): string => {
    const nchw = d[1]! < d[3]!;
    return (nchw ? [d[2], d[3]] : [d[1], d[2]]).join();
  };
  return e.inputs.some((i) => i.dims.length === 4 && size(i.dims) === size(o.dims));
}

/** Without data: from the graph and the shapes of its instrumented run. */
export function meaningsOf(p: {
  readonly model: Model;
  readonly facts: Facts;
  readonly meanings?: Meanings | undefined;
}): Meanings {
  if (p.meanings) return p.meanings;
  const facts = new Map(p.model.graph.outputs.map((v) => [v.name, p.facts.get(v)]));
  return outputMeanings(p.model, {
    shapeOf: (name) => {
      const fact = facts.get(name);
      return fact && { dims: fact.shape, dtype: fact.dtype };
    },
    inputs: p.model.graph.inputs
      .filter((v) => !v.isInitializer)
      .map((v) => ({ name: v.name, dims: p.facts.get(v)?.shape ?? [] })),
  });
}

/** True of outputs with a row of scores per sample, the largest of which is the answer: compared as distributions. */
export const isScored = (m: OutputMeaning | undefined): boolean =>
  m?.reading === 'classes' && m.axis !== undefined && !m.batchAxis;

/** True of outputs whose rows are directions. Rows that do not lie one after the other are compared as numbers are. */
export const isDirection = (m: OutputMeaning | undefined): boolean => m?.reading === 'embedding' && !m.batchAxis;

/** The output that labels are compared with, else the first one of classes. */
export function classesIn(meanings: Meanings, order: Iterable<string> = meanings.keys()): string | undefined {
  const names = [...order].filter((name) => meanings.get(name)?.reading === 'classes');
  return names.find((name) => meanings.get(name)!.labels) ?? names[0];
}

/** What results depend on. */
export const meaningsKey = (meanings: Meanings): unknown =>
  [...meanings.values()].map(({ name, reading, axis, threshold, labels, batchAxis }) => [
    name,
    reading,
    axis ?? null,
    threshold ?? null,
    ...(labels ? ['labels'] : []),
    ...(batchAxis ? [batchAxis] : []),
  ]);
