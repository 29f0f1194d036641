/**
 * Measures several models as a task for a process that does nothing else. Memory layout differs in
 * a process that has trained: there a pruned ResNet-56 took 0.48 of the original's time, and 0.49
 * in new processes in the same minutes.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { HostTensor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import { choicesOf } from '../../engine/passes/index.ts';
import {
  benchmark,
  openCandidate,
  type BenchOptions,
  type Candidate,
  type CandidateResult,
} from '../../runtime/bench.ts';
import { createExecutor, type RuntimeSession } from '../../runtime/executor.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { choicesFor, tryHeld, type BoxesFrom } from './hold-boxes.ts';
import { yardstick } from './yardstick.ts';

export interface MeasureInput {
  /** Paths of model files. */
  readonly models: readonly {
    readonly name: string;
    readonly model: string;
    /** Sizes of its dynamic axes, when they differ from those of the others. */
    readonly dims?: Readonly<Record<string, number>>;
  }[];
  /** Measures the yardstick as well; its figures come last. */
  readonly yardstick?: boolean;
  readonly options: BenchOptions;
  /**
   * Models with box choices that do not run on random numbers are measured on `sample`, or else
   * with held choices.
   */
  readonly holding?: boolean;
  readonly sample?: Readonly<Record<string, HostTensor>>;
}

export type Measured = CandidateResult & { /** Where random numbers would not do. */ readonly boxes?: BoxesFrom };

export async function runMeasure(input: MeasureInput): Promise<readonly Measured[]> {
  const { options, yardstick: beside = false, holding = false, sample } = input;
  const models = input.models.map(withFeeds);
  const look = (candidates: readonly Candidate[]): Promise<CandidateResult[]> =>
    opened(candidates, options, (all) => benchmark(beside ? [...all, yardstick()] : all, options));
  return holding ? measureHolding(models, look, { options, ...(sample && { sample }) }) : look(models);
}

/** Random inputs of a candidate's own sizes, when it has some. */
export function withFeeds({ dims, ...c }: Candidate & { readonly dims?: Readonly<Record<string, number>> }): Candidate {
  if (!dims) return c;
  const graph = graphOf(c.model);
  return { ...c, feeds: randomFeeds(graph!, { dims }) };
}

/** A file that several candidates run is opened once for all of them, as its user would. */
async function opened<T>(
  candidates: readonly Candidate[],
  options: BenchOptions,
  look: (candidates: readonly Candidate[]) => Promise<T>,
): Promise<T> {
  const sessions = new Map<string, RuntimeSession>();
  try {
    const all: Candidate[] = [];
    for (const c of candidates) {
      const file =
        typeof c.model === 'string' && candidates.some((d) => d !== c && d.model === c.model) ? c.model : null;
      if (file !== null && !sessions.has(file)) sessions.set(file, await openCandidate(file, options));
      all.push(file === null ? c : { ...c, session: sessions.get(file)! });
    }
    return await look(all);
  } finally {
    for (const session of sessions.values()) await session.release();
  }
}

/**
 * Measures models, all on the same inputs: random ones, else the sample, else with the first
 * model's choices held in each.
 * @throws SecateurError 'runtime-rejected', the error without held choices, when nothing helps
 */
export async function measureHolding(
  candidates: readonly Candidate[],
  look: (candidates: readonly Candidate[]) => Promise<CandidateResult[]>,
  { options, sample }: Pick<MeasureInput, 'options' | 'sample'>,
): Promise<readonly Measured[]> {
  const marked = (results: readonly CandidateResult[], boxes: BoxesFrom): Measured[] =>
    results.map((r) => ({ ...r, boxes }));
  try {
    return await look(candidates);
  } catch (e) {
    if (!isRejection(e)) throw e;
    const graphs = candidates.map((c) => graphOf(c.model));
    if (graphs.every((m) => !m || choicesOf(m).length === 0)) throw e;
    if (sample) {
      const seen = await orNull(() => look(candidates.map((c) => ({ ...c, feeds: sample }))));
      if (seen) return marked(seen, 'sample');
    }
    const held = await looksHeld(candidates, graphs, look, sample ?? randomFeeds(graphs[0]!, options));
    if (!held) throw e;
    return marked(held, 'held');
  }
}

async function looksHeld(
  candidates: readonly Candidate[],
  graphs: readonly (Model | null)[],
  look: (candidates: readonly Candidate[]) => Promise<CandidateResult[]>,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<CandidateResult[] | null> {
  const executor = createExecutor();
  const first = graphs[0] && (await choicesFor(graphs[0], feeds, executor));
  const fixed: Candidate[] = [];
  for (const [i, c] of candidates.entries()) {
    const graph = graphs[i];
    const choices = graph && choicesOf(graph).length > 0 ? (first ?? (await choicesFor(graph, feeds, executor))) : null;
    if (!graph || !choices) {
      fixed.push({ name: c.name, model: c.model, feeds });
      continue;
    }
    const model = await tryHeld(graph, choices, async (m) => {
      const session = await executor.open(m, { threads: 1, memoryPattern: false });
      try {
        await session.run(feeds);
        return m;
      } finally {
        await session.release();
      }
    });
    if (!model) return null;
    fixed.push({ name: c.name, model, feeds });
  }
  return orNull(() => look(fixed));
}

const graphOf = (m: Candidate['model']): Model | null =>
  typeof m === 'string' ? openModelFile(m) : m instanceof Uint8Array ? null : m;

const isRejection = (e: unknown): boolean => e instanceof SecateurError && e.code === 'runtime-rejected';

async function orNull<T>(f: () => Promise<T>): Promise<T | null> {
  try {
    return await f();
  } catch (e) {
    if (isRejection(e)) return null;
    throw e;
  }
}
