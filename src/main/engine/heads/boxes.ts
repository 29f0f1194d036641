/** Boxes: the detections of one or several outputs, compared as sets of boxes. */
import type { OutputMeaning } from '../../../shared/model/job.ts';
import type { Head, Joint, JointJudge, Look, Outputs } from './contract.ts';
import { STRENGTH } from './contract.ts';
import { anchorDistance, anchorLoss } from './support/anchors.ts';
import { matchedBoxes } from './support/box.ts';
import { boxLayout, layoutNames, readBoxes, type BoxLayout } from './support/detections.ts';
import { ratioInterval } from './support/intervals.ts';
import { shapeText, type Evidence, type Output } from './support/output.ts';
import { drawnClass, rowDistillation, rowDivergence } from './support/row-divergence.ts';
import { LOGITS, queryPair, setDistance, setLoss } from './support/set-prediction.ts';
import { refuse, requireFloat, SET, squaredError } from './support/squared-error.ts';
import { floats } from './support/values.ts';

/** Only logits of queries that come with boxes have an axis of classes. */
const queryAxis = (o: Output, e: Evidence): Pick<OutputMeaning, 'axis'> =>
  e.layouts?.boxes?.length === 2 && LOGITS.test(o.name) ? { axis: 2 } : {};

/** F1 of one list of boxes against the other over all samples. */
function judge(layout: BoxLayout, picture: Look['picture']): JointJudge {
  const found: number[] = [];
  const matched: number[] = [];
  const total = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  return {
    add(reference, candidate, { nothing }) {
      const [want, have] = [reference, candidate].map((o) => readBoxes(o, layout, picture));
      for (const [i, list] of want!.entries()) {
        const own = nothing ? [] : have![i]!;
        matched.push(matchedBoxes(list, own));
        found.push((list.length + own.length) / 2);
      }
    },
    figures() {
      const [whole, samples] = [total(found), found.length];
      if (!(whole > 0)) return { samples, unjudged: 'neither model finds a box' };
      return { samples, agreement: total(matched) / whole, interval: ratioInterval(matched, found) };
    },
    extra: () => (total(found) > 0 ? { boxes: total(found) } : {}),
  };
}

/** The loss of anchors and of queries. Boxes selected inside the model are compared as numbers. */
function lossOf(layout: BoxLayout): Pick<Joint, 'distance' | 'loss'> {
  if (layout.kind === 'chosen') return {};
  if (layout.kind === 'set') {
    const { logits, boxes, scores } = layout;
    return {
      distance: (reference) => setDistance(reference, layout),
      loss(b, outputs, { temperature }) {
        const of = (name: string) => outputs.find((o) => o.name === name)!;
        const side = (as: 'own' | 'given') => ({ logits: of(logits)[as], boxes: of(boxes)[as] });
        return setLoss(b, side('own'), side('given'), of(logits).shape, { scores, temperature });
      },
    };
  }
  return {
    distance(reference) {
      const distance = anchorDistance(reference[layout.output]!, layout);
      return (other) => distance(other[layout.output]!);
    },
    loss: (b, [o]) => anchorLoss(b, o!.own, o!.given, o!.shape, layout.kind === 'anchor-free'),
  };
}

function together(outputs: Outputs, { order, picture, meanings }: Look): Joint | null {
  const layout = boxLayout(outputs, order, picture);
  if (!layout) return null;
  const names = layoutNames(layout);
  // The user may have set another reading for one of the two.
  if (layout.kind === 'set' && !names.every((name) => meanings.get(name)?.reading === 'boxes')) return null;
  return {
    reading: 'boxes',
    names,
    varies: layout.kind === 'chosen',
    ...lossOf(layout),
    judge: () => judge(layout, picture),
    say(before, after) {
      const [own, other] = [before, after].map((o) => readBoxes(o, layout, picture)[0] ?? []);
      const boxes = (n: number): string => (n === 1 ? '1 box' : `${n} boxes`);
      const same = matchedBoxes(own!, other!);
      const all = same === own!.length && same === other!.length;
      return { before: boxes(own!.length), after: all ? boxes(same) : `${boxes(other!.length)}, ${same} the same` };
    },
  };
}

export const head: Head = {
  reading: 'boxes',
  claim: (o, e) =>
    e.layouts?.boxes?.includes(o.name)
      ? { strength: STRENGTH.layout, why: 'its values lie as those of a detector', ...queryAxis(o, e) }
      : null,
  accept(o, e) {
    requireFloat(o, 'boxes');
    if (!e.layouts?.boxes?.includes(o.name))
      refuse(o, 'boxes', `no layout of boxes that is known fits it; ${shapeText(o)}`);
    return { ...SET, ...queryAxis(o, e) };
  },
  /** For an unknown layout: scores of queries as distributions, everything else as numbers. */
  distance(want, meaning) {
    const a = meaning?.axis === undefined ? null : floats(want);
    if (!a) return squaredError.distance(want, meaning);
    const divergence = rowDivergence(a, want.dims.at(-1)!);
    return (have) => divergence(floats(have)!);
  },
  loss: (b, output, o) =>
    output.meaning?.axis === undefined
      ? squaredError.loss(b, output, o)
      : rowDistillation(b, output.own, output.given, output.shape, o.temperature),
  noise: (meaning) => (meaning?.axis === undefined ? 'normal' : 'gumbel'),
  /** For scores of queries: a class is drawn for each query, weighted by the number of queries. */
  cotangent(b, o) {
    if (o.meaning?.axis === undefined) return squaredError.cotangent(b, o);
    const queries = o.shape[1]!;
    return b.mul(drawnClass(b, o.out, o.noise, o.meaning.axis, o.probabilities), b.scalar(1 / Math.sqrt(queries)));
  },
  /** An output with an unknown layout is not judged. */
  judge: () => ({ add: () => undefined, figures: () => ({ samples: 0 }) }),
  floor: 'agreement',
  layoutIn(outputs, order, picture) {
    const layout = boxLayout(outputs, order, picture);
    return layout ? layoutNames(layout) : [];
  },
  layoutOf(outputs) {
    const pair = queryPair(outputs);
    return pair ? [pair.boxes, pair.logits] : [];
  },
  together,
  needsValues: (outputs) => outputs.length === 1 || outputs.some((o) => o.meaning?.axis !== undefined),
};
