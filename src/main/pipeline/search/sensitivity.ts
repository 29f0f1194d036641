/**
 * Measured output change of any plan, without surgery: one session of the gated model, fed with
 * zeros and ones. The change is the distance that the heads of the outputs define (`distanceFrom`).
 */
import type { HostTensor } from '../../engine/executor.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Space, State } from '../../engine/allocation/state.ts';
import { goneNodes, isGone, levelOf, removedUnits } from '../../engine/allocation/state.ts';
import { gateModel } from '../../engine/structures/mask.ts';
import { pictureOf } from '../../engine/heads/support/detections.ts';
import type { Look } from '../../engine/heads/contract.ts';
import { distanceFrom } from '../../engine/quality/distance.ts';
import { meaningsOf } from '../../engine/quality/meaning.ts';
import type { Executor } from '../../engine/executor.ts';
import type { HoldingSession } from '../measure/hold-boxes.ts';
import type { Model } from '../../engine/ir/model.ts';
import { outputsOf, type Calibration } from '../prepare/calibration.ts';
import type { Prepared } from '../prepare/prepare.ts';

export interface OutputChange {
  /** Cost of a plan that removes the least important units. */
  cost(space: Space, s: State): Promise<number>;
  close(): Promise<void>;
}

/** Opens the gated model and runs the original once on the samples. */
export async function openOutputChange(
  executor: Executor,
  p: Prepared,
  calibration: Calibration,
  threads: number,
): Promise<OutputChange> {
  const gated = gateModel(p);
  const session = await executor.open(gated.model, { threads });
  const gateOf = (factors: Float32Array): HostTensor => ({
    dtype: DType.FLOAT,
    dims: [factors.length],
    data: factors,
  });
  const open = new Map<string, HostTensor>();
  for (const { id, units } of p.structures) open.set(gated.gates.get(id)!, gateOf(new Float32Array(units).fill(1)));
  const run = (gates: ReadonlyMap<string, HostTensor>, feeds: Readonly<Record<string, HostTensor>>) =>
    session.run({ ...feeds, ...Object.fromEntries(gates) });
  const whole: Record<string, HostTensor>[] = [];
  for (const feeds of calibration.batches) whole.push(await run(open, feeds));
  const look = lookAt({ ...p, calibration });
  const references = whole.map((o, i) => distanceFrom(o, look(i)));
  return {
    async cost(space, s) {
      const gates = new Map(open);
      const gone = goneNodes(space, s);
      for (const x of space.structures) {
        const level = levelOf(x, s);
        if (level >= x.units || (level > 0 && isGone(x, gone))) continue;
        const factors = new Float32Array(x.units).fill(1);
        for (const u of removedUnits(space, x, level)) factors[u] = 0;
        gates.set(gated.gates.get(x.id)!, gateOf(factors));
      }
      let sum = 0;
      for (const [i, feeds] of calibration.batches.entries())
        sum += references[i]!(await comparable(session, { ...feeds, ...Object.fromEntries(gates) }, whole[i]!));
      return sum / calibration.batches.length;
    },
    close: () => session.release(),
  };
}

/**
 * The same by surgery: every plan is cut and run. Small models are faster this way, since the
 * runtime fuses operators that gates would separate; large ones spend more time on cutting and
 * opening than on the run.
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

/** Distance between a model with the same outputs and `whole` on the samples. @internal */
export async function openDistance(
  executor: Executor,
  { model: whole, ...p }: Whole,
  calibration: Calibration,
  threads: number,
): Promise<(m: Model) => Promise<number>> {
  const wanted = await outputsOf(executor, whole, calibration, threads);
  const look = lookAt({ ...p, model: whole, calibration });
  const references = wanted.map((o, i) => distanceFrom(o, look(i)));
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
 * Outputs that are comparable with `wanted`: when a detector chooses more or fewer boxes, the
 * outputs with the original's choices, since the number of boxes says little about how far their
 * values have moved.
 */
async function comparable(session: HoldingSession, feeds: Tensors, wanted: Tensors): Promise<Tensors> {
  const out = await session.run(feeds);
  const same = Object.entries(wanted).every(([name, t]) => out[name]?.data.length === t.data.length);
  return same || !session.runHeld ? out : ((await session.runHeld(feeds)) ?? out);
}

/** How to read the outputs of a batch. */
function lookAt({ calibration, ...p }: Whole & { readonly calibration: Calibration }): (batch: number) => Look {
  const order = p.model.graph.outputs.map((v) => v.name);
  const meanings = meaningsOf(p);
  return (i) => ({ order, meanings, picture: pictureOf(calibration.batches[i]![calibration.input]?.dims) });
}

/** The reference model, and the readings of its outputs. */
type Whole = Pick<Prepared, 'model' | 'facts' | 'meanings'>;
