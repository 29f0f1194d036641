/**
 * Reference models of a search for a plan: the original, and models that were cut and compensated on the way. Candidate
 * plans are cut from a reference, and the layers after each further cut are refitted from its activations.
 */
import type { Executor } from '../../engine/executor.ts';
import { keyOf } from '../../engine/allocation/fit-budget.ts';
import type { Reference } from '../../engine/allocation/greedy.ts';
import type { Space, State } from '../../engine/allocation/state.ts';
import { compensate } from '../../engine/compensation/sequential.ts';
import type { Model } from '../../engine/ir/model.ts';
import { difference } from '../../engine/quality/difference.ts';
import type { Surgery } from '../../engine/structures/apply.ts';
import type { AnyCut } from '../../engine/structures/choices.ts';
import type { Subject } from '../../engine/structures/contract.ts';
import { restoreShape } from '../../engine/structures/restore-shape.ts';
import type { Figures } from '../context.ts';
import type { Calibration } from '../prepare/calibration.ts';
import type { OutputChange } from './sensitivity.ts';

/** Relative difference of the outputs above which the model in the original's shape computes another function. */
const SAME = 1e-3;
/** Rounds of the activation-aware fit of a reference. */
const ROUNDS = 2;
/** Figure that records whether a reference can be opened. No plan has this key. */
const OPENS = 'opens';

export interface ReferenceOptions {
  readonly space: Space;
  /** Opens the comparison at the first plan without a known cost; null where no model can be made. */
  readonly open: () => Promise<OutputChange | null>;
  /** Runs work on the clock of the time limit. */
  readonly timed: <T>(work: () => Promise<T>) => Promise<T>;
  /** Called after each plan. */
  readonly onTried: () => void;
}

/** A reference whose costs are measured once per plan, and cached. */
export class MeasuredReference implements Reference {
  readonly from: State;
  readonly #memo: Figures;
  readonly #options: ReferenceOptions;
  #change: OutputChange | null | undefined;

  constructor(from: State, memo: Figures, options: ReferenceOptions) {
    this.from = from;
    this.#memo = memo;
    this.#options = options;
  }

  /** True when the model can be made. Found out once, and cached. */
  async opens(): Promise<boolean> {
    const known = this.#memo.get(OPENS);
    if (known !== undefined) return known === 1;
    const opens = (await this.#options.timed(() => this.#opened())) !== null;
    this.#memo.put(OPENS, opens ? 1 : 0);
    return opens;
  }

  known(s: State): number | undefined {
    return this.#memo.get(keyOf(s));
  }

  readonly cost = async (s: State): Promise<number> => {
    const { space, timed, onTried } = this.#options;
    let cost = this.known(s);
    if (cost === undefined) {
      cost = await timed(async () => (await this.#opened())!.cost(space, s));
      this.#memo.put(keyOf(s), cost);
    }
    onTried();
    return cost;
  };

  async close(): Promise<void> {
    await this.#change?.close();
    this.#change = undefined;
  }

  async #opened(): Promise<OutputChange | null> {
    if (this.#change === undefined) this.#change = await this.#options.open();
    return this.#change;
  }
}

interface Compensation {
  readonly executor: Executor;
  /** The original. */
  readonly whole: Subject;
  readonly surgery: Surgery;
  readonly plan: AnyCut;
  readonly batches: Calibration['batches'];
  readonly threads: number;
}

/** The compensated model in the original's shape, or the reason why there is none. */
export async function compensatedSubject(o: Compensation): Promise<Subject | string> {
  const { executor, whole, surgery, plan, batches, threads } = o;
  await compensate(executor, whole, surgery, batches, { threads, kind: 'least-squares', rounds: ROUNDS });
  const restored = restoreShape(whole, surgery, plan);
  if (!restored) return 'the shape of the original cannot be restored';
  const outputs = async (m: Model) => {
    const session = await executor.open(m, { threads });
    try {
      return await session.run(batches[0]!);
    } finally {
      await session.release();
    }
  };
  const distance = difference(await outputs(surgery.model), await outputs(restored.model));
  return distance <= SAME ? restored : `in the shape of the original it differs by ${distance.toPrecision(2)}`;
}
