/**
 * Selects the output that labels apply to. Labels name one class per sample, so at most one output takes them: the one
 * recognised as classes by its graph, its name or the class names; otherwise the row of numbers whose width fits the
 * labels best.
 */
import type { OutputReading } from '../../../../shared/model/job.ts';
import { FLOATS, named, type Layouts, type Output } from './output.ts';

export interface LabelEvidence {
  /** The largest label; -1 where no labels count. */
  readonly largestLabel: number;
  readonly classNames?: number | null | undefined;
  /** Readings that the user set. */
  readonly given?: Readonly<Record<string, OutputReading>> | undefined;
  /** Outputs that belong together, such as boxes, scores and labels. */
  readonly layouts?: Layouts | undefined;
}

export interface Labelled {
  readonly name: string;
  /** Number of classes; Infinity where the output holds the class index itself (ArgMax). */
  readonly classes: number;
  /** False where the largest label lies outside its classes. */
  readonly fits: boolean;
  /** True where the graph, a name or the user identifies it as classes. */
  readonly told: boolean;
  /** True where only its width does, and other outputs are possible. */
  readonly guessed: boolean;
}

/** Strength of the evidence that an output holds classes. Plain: a row of numbers without any evidence. */
const RANK = { none: 0, other: 1, plain: 2, named: 3, names: 4, end: 5, given: 6 } as const;

/** Names of states that recurrent layers pass on. */
const STATE = /hidden|state|(^|[^a-z])h[nc]?$/i;

/** Labels should reach at least half of the classes: an embedding is usually wider than the labels of another task. */
export const fitsLabels = (o: Pick<Output, 'width'>, largestLabel: number | null | undefined): boolean =>
  typeof largestLabel === 'number' && largestLabel < o.width && 2 * (largestLabel + 1) >= o.width;

/** null where no output can hold classes. */
export function labelledOutput(outputs: readonly Output[], e: LabelEvidence): Labelled | null {
  const ranked = outputs.map((o) => ({ o, rank: rankOf(o, e), classes: classesOf(o) })).filter((c) => c.rank > 0);
  const holds = (c: (typeof ranked)[number]): boolean => e.largestLabel < c.classes;
  const told = ranked.filter((c) => c.rank >= RANK.named);
  const plain = ranked.filter((c) => c.rank === RANK.plain);
  const others = ranked.filter((c) => c.rank === RANK.other && fitsLabels(c.o, e.largestLabel));
  const pool = told.length ? told : plain.length ? plain : others;
  // Better fits come first. The graph's order decides among equals.
  const best = [...pool].sort(
    (a, b) => Number(holds(b)) - Number(holds(a)) || b.rank - a.rank || narrower(a.classes, b.classes, holds(a)),
  )[0];
  if (!best) return null;
  const rivals = pool.filter((c) => c.rank === best.rank && holds(c) === holds(best));
  const by = best.rank > RANK.plain;
  return {
    name: best.o.name,
    classes: best.classes,
    fits: holds(best),
    told: by,
    guessed: !by && rivals.length > 1,
  };
}

/** Compares widths by closeness to the labels: the narrowest width that holds them, or the widest where none does. */
const narrower = (a: number, b: number, hold: boolean): number => (a === b ? 0 : a < b === hold ? -1 : 1);

const classesOf = (o: Output): number => (!FLOATS.includes(o.dtype) ? Infinity : o.width === 1 ? 2 : o.width);

function rankOf(o: Output, { given = {}, layouts = {}, classNames }: LabelEvidence): number {
  const told = given[o.name];
  const names = Object.values(given).includes('classes');
  if (told !== undefined || names) return told === 'classes' && (o.flat || !FLOATS.includes(o.dtype)) ? RANK.given : 0;
  if (Object.values(layouts).some((names) => names.includes(o.name))) return RANK.none;
  if (!FLOATS.includes(o.dtype)) return o.end.end === 'argmax' && o.dims.length <= 2 ? RANK.end : RANK.none;
  if (!o.flat) return RANK.none;
  if (o.width === 1) return o.end.end === 'sigmoid' ? RANK.end : RANK.none;
  switch (o.end.end) {
    case 'softmax':
      return RANK.end;
    case 'unit-length':
      return RANK.none;
    default:
  }
  if (classNames === o.width) return RANK.names;
  const spoken = named(o, 'embedding') || named(o, 'numbers') || STATE.test(o.name);
  if (named(o, 'classes') && !named(o, 'embedding')) return RANK.named;
  if (spoken || o.end.end === 'pooled' || o.end.end === 'normalized') return RANK.other;
  return RANK.plain;
}
