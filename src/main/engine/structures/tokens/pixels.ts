/**
 * Smaller pictures: a vision encoder that takes fewer pixels, so that all its layers have fewer tokens. Where the sizes
 * of its input are free nothing changes in the graph. Else the table of positions is interpolated, and the parts behind
 * it adapt as if the last tokens had been removed.
 */
import { attrInts, attrString } from '../../ir/attribute.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import { f32, i64, toFloat32 } from '../../ir/tensor.ts';
import type { Dim, Value } from '../../ir/value.ts';
import { keepsOrder, traitsOf } from '../../ops/registry.ts';
import { applyDraft } from '../apply.ts';
import { tensorOf } from '../axes/constants.ts';
import type { CutCopy } from '../contract.ts';
import { findTokenPlaces, type TokenPlace } from './places.ts';
import { behind } from './stream.ts';
import { interpolate, type Grid } from './support/interpolate.ts';

/** The pixels of a vision encoder. */
export interface PixelPlace {
  readonly input: Value;
  /** Height and width of the picture. */
  readonly size: Grid;
  /** Height and width of a patch; sizes are multiples of it. */
  readonly patch: Grid;
  /** Rows and columns of patches. */
  readonly grid: Grid;
  /** How the graph depends on the size; null where it takes any size as it is. */
  readonly fixed: FixedSize | null;
}

interface FixedSize {
  /** The whole embedding, behind the table of positions. */
  readonly place: TokenPlace;
  /** Float [rows, D] or [1, rows, D]: one row per leading token and patch. */
  readonly table: Value;
  /** int64 constant [..., rows] with the numbers of the rows, where the table is read by a Gather. */
  readonly ids: Value | null;
  /** The node that puts patches in the last axis, where its shape is a constant with their number. */
  readonly flat: Node | null;
}

type Refusal = { readonly refused: string };

/** Finds the pixels of an encoder, or says why it cannot take fewer. @param facts of a run on one picture */
export function pixelPlace(model: Model, facts: Facts): PixelPlace | Refusal {
  const refused = (reason: string): Refusal => ({ refused: reason });
  const rank = (v: Value): number | undefined => facts.get(v)?.shape.length;
  const planes = model.graph.inputs.filter((v) => rank(v) === 4);
  const input = planes.find((v) => lastOfStem(model, facts, v));
  if (!input) {
    if (model.graph.inputs.some((v) => rank(v) === 5)) return refused('the encoder takes tiles: their number can be smaller, and their size cannot'); // prettier-ignore
    return refused(planes.length === 0 ? 'the encoder does not take whole pictures' : 'the patches are not cut by convolutions that divide the picture by their strides'); // prettier-ignore
  }
  const { conv, patch } = lastOfStem(model, facts, input)!;
  const lastTwo = (v: Value): Grid => [facts.get(v)!.shape.at(-2)!, facts.get(v)!.shape.at(-1)!];
  const [size, grid] = [lastTwo(input), lastTwo(conv.output())];
  const place = { input, size, patch, grid };
  if (
    facts
      .get(conv.output())
      ?.dynamic?.slice(2)
      .some((axis) => axis !== null)
  )
    return { ...place, fixed: null };
  const fixed = fixedSize(model, facts, conv, grid);
  return typeof fixed === 'string' ? refused(fixed) : { ...place, fixed };
}

/**
 * The last convolution that makes patches, and the pixels per patch. From the picture to it there are convolutions and
 * arithmetic on single elements only, so that a picture of whole patches gives a smaller grid. Patches may overlap.
 */
function lastOfStem(model: Model, facts: Facts, input: Value): { conv: Node; patch: Grid } | undefined {
  const places = (v: Value): string => facts.get(v)?.shape.slice(2).join() ?? '';
  const isPlane = (v: Value): boolean => facts.get(v)?.shape.length === 4;
  const isUniform = (v: Value): boolean => (facts.get(v)?.shape ?? [0]).slice(-2).every((d) => d === 1);
  /** Pixels per element of the values on the way; null for others that depend on the picture. */
  const pixels = new Map<Value, Grid | null>([[input, [1, 1]]]);
  let last: { conv: Node; patch: Grid } | undefined;
  for (const n of model.graph.nodes()) {
    const read = n.inputs.filter((v): v is Value => v !== null && pixels.has(v));
    if (read.length === 0) continue;
    const [first] = read;
    const per = pixels.get(first!) ?? null;
    const isOn = per !== null && isPlane(n.output()) && read.every((v) => pixels.get(v)?.join() === per.join());
    const strides = isOn && n.input(0) === first ? exactStrides(n, facts) : null;
    const { elementwise } = traitsOf(n);
    const isAlone = keepsOrder(n) || (elementwise !== undefined && n.inputs.every((v) => !v || pixels.has(v) || isUniform(v))); // prettier-ignore
    const stays = isOn && isAlone && places(n.output()) === places(first!);
    const after: Grid | null = strides ? [per![0] * strides[0], per![1] * strides[1]] : stays ? per : null;
    for (const o of n.outputs) pixels.set(o, after);
    if (strides) last = { conv: n, patch: after! };
  }
  return last;
}

/**
 * Strides of a two-dimensional convolution that gives m outputs for any m strides of inputs; null for other nodes. It has
 * floor((m * stride + rest) / stride) + 1 outputs, where `rest` is the padding less the reach of the kernel.
 */
function exactStrides(n: Node, facts: Facts): Grid | null {
  const [from, kernel, to] = [n.input(0), n.input(1), n.output()].map((v) => v && facts.get(v)?.shape.slice(2));
  if (!traitsOf(n).linear?.slides || !from || !to || kernel?.length !== 2) return null;
  const list = (name: string, none: number, length: number): readonly number[] =>
    attrInts(n.attributes.get(name)) ?? Array.from({ length }, () => none);
  const [strides, dilations, pads] = [list('strides', 1, 2), list('dilations', 1, 2), list('pads', 0, 4)];
  const isSame = /^SAME/.test(attrString(n.attributes.get('auto_pad'), ''));
  const isExact = kernel.every((k, i) => {
    const stride = strides[i]!;
    if (isSame) return to[i] === Math.ceil(from[i]! / stride);
    const rest = pads[i]! + pads[i + 2]! - dilations[i]! * (k - 1) - 1;
    // Transposed convolutions, whose outputs are larger, have another number.
    return Math.floor(rest / stride) === -1 && to[i] === Math.floor((from[i]! + rest) / stride) + 1;
  });
  return isExact ? [strides[0]!, strides[1]!] : null;
}

function fixedSize(model: Model, facts: Facts, conv: Node, grid: Grid): FixedSize | string {
  const found = findTokenPlaces(model, facts, new Set(model.graph.outputs));
  const place = found.places.find((p) => p.layer === 0);
  if (!place) return found.refused ? `${found.refused.operator}: ${found.refused.reason}` : 'the layers behind the patches do not take fewer tokens'; // prettier-ignore
  const patches = grid[0] * grid[1];
  if (place.count < patches) return 'the patches are joined before the first layer';
  const before = prefix(model, place);
  const fused = [...before].find((n) => traitsOf(n).attention);
  if (fused) return `the attention of ${fused.label} is one operator, behind which tokens are not followed`;
  const tables = [...before].flatMap((n) => tablesOf(n, facts, place));
  if (tables.length !== 1) return tables.length === 0 ? 'no table of positions was found' : 'several tables have a row per token'; // prettier-ignore
  const flat = flattening(conv, facts, patches);
  return { place, ...tables[0]!, flat };
}

/** Nodes that the embedding is computed from. */
function prefix(model: Model, place: TokenPlace): Set<Node> {
  const later = behind(model, place.value);
  return new Set([...model.graph.nodes()].filter((n) => !later.has(n)));
}

type Table = Pick<FixedSize, 'table' | 'ids'>;

/** Tables with a row per token that a node reads: by row numbers 0, 1, 2, ..., or added to the tokens. */
function tablesOf(n: Node, facts: Facts, { count, width }: TokenPlace): Table[] {
  const { linear, elementwise, normalization } = traitsOf(n);
  if (linear) return [];
  return n.inputs.flatMap((v, i): Table[] => {
    const dims = v && tensorOf(v)?.dims;
    if (!dims || dims.at(-1) !== width || dims.at(-2) !== count || dims.length > 3) return [];
    const ids = n.inputs.find((x) => x && x !== v && facts.get(x)?.constant?.length === count);
    const isAdded = elementwise !== undefined || normalization?.residual === i;
    if (!ids) return dims.length === 3 || isAdded ? [{ table: v, ids: null }] : [];
    const isAscending = facts.get(ids)!.constant!.every((x, i) => x === i);
    return isAscending && tensorOf(ids) ? [{ table: v, ids }] : [];
  });
}

/**
 * The reshape of a convolution's patches to [B, D, patches] by a constant. Channels stand before the patches, also where
 * there are as many of both.
 */
function flattening(conv: Node, facts: Facts, patches: number): Node | null {
  const isFlat = (n: Node): boolean => {
    const shape = n.input(1);
    const constant = shape && tensorOf(shape) && facts.get(shape)?.constant;
    return facts.get(n.output())?.shape.length === 3 && (constant ? constant.at(-1) === patches : false);
  };
  return conv.output().consumers().find(isFlat) ?? null;
}

/** Sizes with fewer patches, from large to small, of nearly the same proportions. */
export function smallerSizes({ grid, patch }: PixelPlace): Grid[] {
  const long = grid[0] >= grid[1] ? 0 : 1;
  const ratio = grid[1 - long]! / grid[long]!;
  return Array.from({ length: grid[long]! - 1 }, (_, i): Grid => {
    const [a, b] = [grid[long]! - 1 - i, Math.max(1, Math.round((grid[long]! - 1 - i) * ratio))];
    const [rows, columns] = long === 0 ? [a, b] : [b, a];
    return [rows * patch[0], columns * patch[1]];
  });
}

/**
 * The encoder for pictures of `size`.
 * @param size height and width, multiples of a patch and not larger than now
 * @throws Error where the size is not possible
 */
export function shrinkPixels(model: Model, facts: Facts, { input, patch, grid, fixed }: PixelPlace, size: Grid): Model {
  const to: Grid = [size[0] / patch[0], size[1] / patch[1]];
  if (![0, 1].every((i) => Number.isInteger(to[i]) && to[i]! >= 1 && to[i]! <= grid[i]!))
    throw new Error(`pictures of ${size.join(' x ')} are not whole patches of ${patch.join(' x ')} in ${grid.join(' x ')}`); // prettier-ignore
  const declare = (copy: CutCopy): void => {
    const { elemType, shape } = input.type!;
    copy.value(input).type = { elemType, shape: shape!.map((d, axis): Dim => (axis >= 2 && typeof d === 'number' ? size[axis - 2]! : d)) }; // prettier-ignore
  };
  if (!fixed || to.join() === grid.join())
    return applyDraft({ model, facts }, { removal: new Map(), rewiring: [declare] }).model;
  const { place } = fixed;
  const leading = place.count - grid[0] * grid[1];
  const count = leading + to[0] * to[1];
  const removal = new Map<Value, Map<number, Set<number>>>();
  for (const { value, axis, indices } of place.axes) {
    const axes = removal.get(value) ?? new Map<number, Set<number>>();
    removal.set(value, axes.set(axis, new Set(indices.slice(count).flat())));
  }
  const edit = (copy: CutCopy): void => {
    declare(copy);
    // Declared shapes in front of the embedding are those of the old size.
    for (const n of prefix(model, place)) for (const v of n.outputs) if (!v.isGraphOutput) copy.value(v).type = null;
    const { table, ids, flat } = fixed;
    const old = tensorOf(table)!;
    const rows = interpolate(toFloat32(old), leading, grid, to);
    replace(copy, table, f32(rows, [...old.dims.slice(0, -2), count, place.width]));
    if (ids) replace(copy, ids, i64(Array.from({ length: count }, (_, i) => i), [...tensorOf(ids)!.dims.slice(0, -1), count])); // prettier-ignore
    if (flat) {
      const shape = facts.get(flat.input(1)!)!.constant!;
      const { graph } = copy.value(place.value);
      copy.node(flat).setInput(1, graph!.addInitializer(graph!.freshName('patches'), i64([...shape.slice(0, -1), to[0] * to[1]]))); // prettier-ignore
    }
  };
  return applyDraft({ model, facts }, { removal, rewiring: [edit] }).model;
}

/** Gives the readers of a constant a new one. */
function replace(copy: CutCopy, constant: Value, tensor: ReturnType<typeof f32>): void {
  const old = copy.value(constant);
  const { graph } = old;
  old.replaceAllUsesWith(graph!.addInitializer(graph!.freshName(`${old.name}_small`), tensor));
}
