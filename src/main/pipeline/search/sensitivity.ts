/**
 * Measured output change of any plan, without surgery: one session of the gated model, fed zeros and ones. The change is
 * KL(original || pruned) for class scores, the error of what is found for detectors, and the relative squared error for
 * everything else.
 */
import { inOrder, type HostTensor } from '../../engine/executor.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Space, State } from '../../engine/allocation/state.ts';
import { goneNodes, isGroupGone, removedUnits } from '../../engine/allocation/state.ts';
import { gateModel } from '../../engine/pruning/mask.ts';
import { anchorDistance, boxLayout, pictureOf } from '../../engine/heads/support/detections.ts';
import { difference, klDivergence, logProbabilities, isDistribution } from '../../engine/heads/support/metrics.ts';
import { isDirection, isScored, meaningsOf, type Meanings } from '../../engine/quality/meaning.ts';
import { floats } from '../../engine/quality/meter.ts';
import type { Executor } from '../../engine/executor.ts';
import type { HoldingSession } from '../measure/hold-boxes.ts';
import type { Model } from '../../engine/ir/model.ts';
import { outputsOf, type Calibration } from '../prepare/calibration.ts';
import type { Prepared } from '../prepare/prepare.ts';

export interface OutputChange {
  /** Of a plan that keeps the least important units out. */
  cost(space: Space, s: State): Promise<number>;
  close(): Promise<void>;
}

/** Opens the gated model and runs the original once over the samples. */
export async function openOutputChange(
  executor: Executor,
  p: Prepared,
  calibration: Calibration,
  threads: number,
): Promise<OutputChange> {
  const gated = gateModel(p.model, p.facts, p.analysis, p.blocks);
  const session = await executor.open(gated.model, { threads });
  const ones = (n: number): HostTensor => ({
    dtype: DType.FLOAT,
    dims: n < 0 ? [] : [n],
    data: new Float32Array(Math.abs(n)).fill(1),
  });
  const open = new Map<string, HostTensor>();
  for (const g of p.analysis.groups) open.set(gated.groups.get(g.id)!, ones(g.units));
  for (const b of p.blocks) open.set(gated.blocks.get(b.id)!, ones(-1));
  const run = (gates: ReadonlyMap<string, HostTensor>, feeds: Readonly<Record<string, HostTensor>>) =>
    session.run({ ...feeds, ...Object.fromEntries(gates) });
  const whole: Record<string, HostTensor>[] = [];
  for (const feeds of calibration.batches) whole.push(await run(open, feeds));
  const names = namesOf(p.model);
  const meanings = meaningsOf(p);
  const references = whole.map((o, i) =>
    reference(o, { names, meanings, given: calibration.batches[i]![calibration.input] }),
  );
  return {
    async cost(space, s) {
      const gates = new Map(open);
      const gone = goneNodes(space, s.dropped);
      for (const g of space.groups) {
        const keep = s.keep.get(g.id) ?? g.units;
        if (keep >= g.units || isGroupGone(g, gone)) continue;
        const data = new Float32Array(g.units).fill(1);
        for (const u of removedUnits(space, g, keep)) data[u] = 0;
        gates.set(gated.groups.get(g.id)!, { dtype: DType.FLOAT, dims: [g.units], data });
      }
      for (const id of s.dropped)
        gates.set(gated.blocks.get(id)!, { dtype: DType.FLOAT, dims: [], data: new Float32Array(1) });
      let sum = 0;
      for (const [i, feeds] of calibration.batches.entries())
        sum += references[i]!(await comparable(session, { ...feeds, ...Object.fromEntries(gates) }, whole[i]!));
      return sum / calibration.batches.length;
    },
    close: () => session.release(),
  };
}

/**
 * The same by surgery: every plan is cut and run. Small models are faster this way, since the runtime fuses what gates keep
 * apart; large ones spend more on cutting and opening than on the run.
 */
export async function openCutChange(
  executor: Executor,
  whole: Whole,
  cut: (s: State) => Model,
  calibration: Calibration,
  threads: number,
): Promise<OutputChange> {
  const distance = await openDistance(executor, whole, calibration, threads);
  return { cost: (_, s) => distance(cut(s)), close: async () => {} };
}

/** Distance of any model of the same outputs to `whole` on the samples. */
export async function openDistance(
  executor: Executor,
  { model: whole, ...p }: Whole,
  calibration: Calibration,
  threads: number,
): Promise<(m: Model) => Promise<number>> {
  const wanted = await outputsOf(executor, whole, calibration, threads);
  const names = namesOf(whole);
  const meanings = meaningsOf({ ...p, model: whole });
  const references = wanted.map((o, i) =>
    reference(o, { names, meanings, given: calibration.batches[i]![calibration.input] }),
  );
  return async (m) => {
    const session = await executor.open(m, { threads });
    try {
      let sum = 0;
      for (const [i, feeds] of calibration.batches.entries())
        sum += references[i]!(await comparable(session, feeds, wanted[i]!));
      return sum / calibration.batches.length;
    } finally {
      await session.release();
    }
  };
}

type Tensors = Readonly<Record<string, HostTensor>>;

/**
 * Outputs that can be compared with `wanted`: where a detector chooses more boxes or fewer, those with the original's
 * choices. The number of boxes says little about how far their values have moved.
 */
async function comparable(session: HoldingSession, feeds: Tensors, wanted: Tensors): Promise<Tensors> {
  const out = await session.run(feeds);
  const same = Object.entries(wanted).every(([name, t]) => out[name]?.data.length === t.data.length);
  return same || !session.runHeld ? out : ((await session.runHeld(feeds)) ?? out);
}

const namesOf = (m: Model): string[] => m.graph.outputs.map((v) => v.name);

/** What others are compared with, and how its outputs are read. */
type Whole = Pick<Prepared, 'model' | 'facts' | 'meanings'>;

export interface ReferenceOptions {
  /** Of the outputs, in the graph's order. */
  readonly names: readonly string[];
  readonly meanings: Meanings;
  /** The data that the outputs were computed from: tells where a detector's boxes lie. */
  readonly given?: HostTensor | undefined;
}

/**
 * Distance of a batch of outputs from the given one, mean per sample, summed over the outputs: by what each output means.
 * Twice one less the cosine is the relative squared error of directions.
 */
export function reference(
  outputs: Readonly<Record<string, HostTensor>>,
  { names, meanings, given }: ReferenceOptions,
): (other: Readonly<Record<string, HostTensor>>) => number {
  const detects = [...meanings.values()].some((m) => m.reading === 'boxes');
  const layout = detects ? boxLayout(outputs, names, pictureOf(given?.dims)) : null;
  if (layout && layout.kind !== 'chosen') {
    const distance = anchorDistance(outputs[layout.output]!, layout);
    return (other) => distance(other[layout.output]!);
  }
  const parts = inOrder(outputs, names).flatMap(([name, t]) => {
    const a = floats(t);
    if (!a) return [];
    const meaning = meanings.get(name);
    if (isDirection(meaning)) {
      const n = t.dims[0]!;
      const size = a.length / n;
      return [
        (o: Readonly<Record<string, HostTensor>>): number => {
          const b = floats(o[name]!)!;
          let sum = 0;
          for (let i = 0; i < n; i++) {
            const d = difference(a, b, i * size, size);
            sum += 2 * (1 - d.dot / Math.max(Math.sqrt(d.signal * d.other), Number.MIN_VALUE));
          }
          return sum / n;
        },
      ];
    }
    if (isScored(meaning)) {
      const [n, c] = [t.dims[0]!, a.length / t.dims[0]!];
      const distribution = isDistribution(a, 0, c);
      const logs = Array.from({ length: n }, (_, i) => logProbabilities(a, i * c, c, distribution));
      return [
        (o: Readonly<Record<string, HostTensor>>): number => {
          const b = floats(o[name]!)!;
          let sum = 0;
          for (let i = 0; i < n; i++) sum += klDivergence(logs[i]!, logProbabilities(b, i * c, c, distribution));
          return sum / n;
        },
      ];
    }
    let power = 1e-12;
    let mean = 0;
    for (const x of a) mean += x / a.length;
    for (const x of a) power += (x - mean) ** 2;
    return [
      (o: Readonly<Record<string, HostTensor>>): number => {
        const b = floats(o[name]!)!;
        // As far as nothing: there is no other way to compare them.
        if (b.length !== a.length) return a.length > 0 ? 1 : 0;
        let error = 0;
        for (let i = 0; i < a.length; i++) error += (a[i]! - b[i]!) ** 2;
        return error / power;
      },
    ];
  });
  return (other) => parts.reduce((sum, f) => sum + f(other), 0);
}
