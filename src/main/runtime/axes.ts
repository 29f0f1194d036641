/**
 * Classifies the dynamic axes of a model's inputs: the batch, axes that follow from others, and likely sizes of the
 * rest.
 */
import { attrInt, attrInts } from '../engine/ir/attribute.ts';
import { isFloat } from '../engine/ir/dtype.ts';
import type { Model } from '../engine/ir/model.ts';
import type { Value } from '../engine/ir/value.ts';
import { keepsOrder, traitsOf } from '../engine/ops/registry.ts';

/** Graph inputs that a run must feed: those that are not also initializers. */
export const fedInputs = (model: Model): Value[] => model.graph.inputs.filter((v) => !v.isInitializer);

/** Name of an input's axis, null where its size is declared. An unnamed axis is called `<input>.<axis>`. */
export const axisNames = (v: Value): (string | null)[] =>
  (v.type?.shape ?? []).map((d, axis) => (typeof d === 'number' ? null : d || `${v.name}.${axis}`));

const BATCH = /^(n|b|bs|batch.*|.*batch_?(size|dim)?|num_?batch(es)?)$/i;
const LENGTH = /seq|len|time|frame|token|past|total|chunk|^[tslp]$/i;
const PICTURE = /height|width|rows|cols|^[hw]$|^(img|image)_?[hw]$/i;

/**
 * Names of axes along which samples lie. A name that says batch decides, on any axis. Recurrent layers have the batch
 * second. Otherwise the first axis of an input is the batch, unless its name is that of a length.
 */
export function batchAxes(model: Model): ReadonlySet<string> {
  const inputs = fedInputs(model).map((v) => ({ v, names: axisNames(v) }));
  const out = new Set<string>();
  for (const { names } of inputs)
    for (const n of names) if (n !== null && !/[-+*]/.test(n) && BATCH.test(n)) out.add(n);
  for (const { v, names } of inputs) {
    if (names.some((n) => n !== null && out.has(n))) continue;
    const layers = v.consumers().filter((n) => traitsOf(n).recurrent && n.input(0) === v);
    const second = layers.some((n) => attrInt(n.attributes.get('layout'), 0) === 0);
    const name = names[second ? 1 : 0];
    if (!name || /[-+*]/.test(name)) continue;
    // A generated name says nothing about the axis.
    if (second || !v.type?.shape?.[0] || !LENGTH.test(name)) out.add(name);
  }
  return out;
}

type Shapes = Readonly<Record<string, { readonly dims: readonly number[] }>>;

/** Number of samples in a run's inputs; null where no axis is a dynamic batch. */
export function batchOf(model: Model, feeds: Shapes): number | null {
  const batches = batchAxes(model);
  for (const v of fedInputs(model)) {
    const axis = axisNames(v).findIndex((n) => n !== null && batches.has(n));
    const size = axis < 0 ? undefined : feeds[v.name]?.dims[axis];
    if (size !== undefined) return size;
  }
  return null;
}

/** Sizes of the dynamic axes except the batch in a run's inputs. */
export function sizesIn(model: Model, feeds: Shapes): Record<string, number> {
  const batches = batchAxes(model);
  const out: Record<string, number> = {};
  for (const v of fedInputs(model))
    axisNames(v).forEach((n, axis) => {
      const size = feeds[v.name]?.dims[axis];
      if (n !== null && !batches.has(n) && size !== undefined) out[n] = size;
    });
  return out;
}

/**
 * Value of `past + sequence`, `2 * heads` or `S - 1` for the sizes of its operands; undefined where a size is missing.
 */
export function evaluateAxis(name: string, sizes: ReadonlyMap<string, number>): number | undefined {
  const parts = partsOf(name);
  if (!parts) return undefined;
  let sum = 0;
  for (const { sign, factors } of parts) {
    let product = sign;
    for (const f of factors) {
      const n = /^\d+$/.test(f) ? Number(f) : sizes.get(f);
      if (n === undefined) return undefined;
      product *= n;
    }
    sum += product;
  }
  return sum >= 0 ? sum : undefined;
}

/** Operand names of an expression; empty for a plain name. */
export const operandsOf = (name: string): string[] =>
  (partsOf(name) ?? []).flatMap((p) => p.factors).filter((f) => !/^\d+$/.test(f));

/** Parses a sum of products; null for a plain name. A minus within a word, as in `batch-size`, is not a subtraction. */
function partsOf(name: string): { sign: number; factors: string[] }[] | null {
  if (!/[+*]| - |\w\s*-\s*\d+$/.test(name)) return null;
  const tokens = name
    .replace(/ - |-(?=\s*\d+$)/g, ' \u2212 ')
    .split(/([+*\u2212])/)
    .map((t) => t.trim());
  const parts: { sign: number; factors: string[] }[] = [{ sign: 1, factors: [tokens[0]!] }];
  for (let i = 1; i + 1 < tokens.length; i += 2) {
    const [operator, operand] = [tokens[i], tokens[i + 1]!];
    if (operator === '*') parts.at(-1)!.factors.push(operand);
    else parts.push({ sign: operator === '+' ? 1 : -1, factors: [operand] });
  }
  return parts.every((p) => p.factors.every((f) => /^[\w.]+$/.test(f))) ? parts : null;
}

/** Kind of axis, which decides the guessed size. */
export type AxisKind = 'channels' | 'picture' | 'latent' | 'features' | 'audio' | 'length';

/** Likely sizes, most likely first. The later ones are tried where a model does not run at the first. */
export const LIKELY: Readonly<Record<Exclude<AxisKind, 'channels'>, readonly number[]>> = {
  picture: [224, 256, 128, 64, 32, 512],
  latent: [64, 32, 16, 128],
  features: [32, 16, 64, 8],
  audio: [16_000, 8000, 4000, 32_000, 48_000],
  length: [16, 64, 256, 1024, 4096, 16_000],
};

export interface AxisGuess {
  readonly kind: AxisKind;
  /** Only for 'channels'. */
  readonly size?: number;
}

/** Guesses the kind of an axis without a known size. */
export function guessAxis(v: Value, axis: number): AxisGuess {
  const shape = v.type?.shape ?? [];
  // An unnamed axis is judged by the input's name alone.
  const label = String(shape[axis] || (/past|cache/i.test(v.name) ? 'past' : ''));
  const conv = v.consumers().find((n) => n.opType === 'Conv' && n.input(0) === v);
  if (conv && axis === 1) {
    const channels = conv.input(1)?.initializer?.dims[1];
    if (channels) return { kind: 'channels', size: channels * attrInt(conv.attributes.get('group'), 1) };
  }
  if (shape.length !== 4) {
    if (PICTURE.test(label) && !LENGTH.test(label)) return { kind: 'picture' };
    return { kind: isAudio(v, axis, label) ? 'audio' : 'length' };
  }
  if (LENGTH.test(label)) return { kind: 'length' };
  const last = channelsLast(v);
  const at = last ? 3 : 1;
  if (axis === at || /chan/i.test(label)) return { kind: 'channels', size: 3 };
  const channels = shape[at];
  if (typeof channels !== 'number' || (channels <= 12 && channels !== 4)) return { kind: 'picture' };
  return { kind: channels === 4 || channels === 16 ? 'latent' : 'features' };
}

/** Pictures as [N, H, W, C]: the last axis is narrow, or a Transpose moves it to the front. */
function channelsLast(v: Value): boolean {
  const shape = v.type?.shape ?? [];
  const moved = v
    .consumers()
    .some((n) => n.opType === 'Transpose' && attrInts(n.attributes.get('perm'))?.join() === '0,3,1,2');
  if (moved) return true;
  const [first, last] = [shape[1], shape[3]];
  return typeof first !== 'number' && typeof last === 'number';
}

/** [N, samples] or [N, 1, samples] floats that feed a one-dimensional convolution, directly or reshaped. */
function isAudio(v: Value, axis: number, name: string): boolean {
  const shape = v.type?.shape ?? [];
  if (axis !== shape.length - 1 || !isFloat(v.type?.elemType ?? 0)) return false;
  const narrow = shape.length === 2 || (shape.length === 3 && shape[1] === 1);
  if (!narrow) return false;
  if (/audio|wave|sample/i.test(`${name} ${v.name}`)) return true;
  const behind = v.consumers().flatMap((n) => (keepsOrder(n) ? n.output().consumers() : [n])); // prettier-ignore
  return behind.some((n) => n.opType === 'Conv' && n.input(1)?.initializer?.dims.length === 3);
}
