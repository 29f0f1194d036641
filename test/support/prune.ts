import type { HostTensor } from '../../src/main/engine/executor.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { verifyModel } from '../../src/main/engine/ir/verify.ts';
import {
  constantsToInitializers,
  eliminateIdentity,
  runPasses,
  untieVectors,
} from '../../src/main/engine/passes/index.ts';
import { gatherShuffles } from '../../src/main/engine/structures/axes/shuffles.ts';
import { maskModel } from '../../src/main/engine/structures/mask.ts';
import { choiceOf, type Cut } from '../../src/main/engine/structures/choices.ts';
import type { StructureKind, Subject } from '../../src/main/engine/structures/contract.ts';
import { bypassesOf, findStructures } from '../../src/main/engine/structures/find.ts';
import { applyPlan } from '../../src/main/engine/structures/apply.ts';
import type { ResidualBlock } from '../../src/main/engine/structures/axes/types.ts';
import { difference } from '../../src/main/engine/quality/difference.ts';
import { meaningsOf, type Meanings } from '../../src/main/engine/quality/meaning.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { fedInputs, randomTensor } from '../../src/main/runtime/random-inputs.ts';
import { plainExecutor } from './executor.ts';

export { difference };

export interface Prepared extends Subject {
  /** The additions that structures replace. */
  readonly blocks: readonly ResidualBlock[];
  readonly meanings?: Meanings | undefined;
}

export async function prepare(model: Model, kinds?: readonly StructureKind[]): Promise<Prepared> {
  runPasses(model, [constantsToInitializers, eliminateIdentity, untieVectors], { verify: true });
  const facts = await collectFacts(model, plainExecutor);
  gatherShuffles(model, facts);
  verifyModel(model);
  const meanings = classifier({ model, facts });
  const found = findStructures(model, facts, kinds);
  return { model, facts, meanings, ...found, blocks: bypassesOf(found.structures) };
}

/** A plan that removes the given units of structures by id, and blocks by name. */
export const choose = (
  { structures }: Pick<Subject, 'structures'>,
  removed: Readonly<Record<string, readonly number[]>>,
  blocks: readonly string[] = [],
): Cut => ({
  choices: [...Object.entries(removed), ...blocks.map((name) => [`block ${name}`, [0]] as const)].map(([id, units]) =>
    choiceOf(
      structures.find((s) => s.id === id)!,
      units,
    ),
  ),
});

/** Units that a plan removes from a structure. */
export const removedIn = ({ choices }: Cut, structure: string): readonly number[] =>
  choices.find((c) => c.structure === structure)?.detail.removed ?? [];

/** Names of the blocks that a plan removes. */
export const blocksIn = ({ choices }: Cut): string[] =>
  choices.filter((c) => c.kind === 'blocks' && c.level === 0).map((c) => c.structure.replace('block ', ''));

/**
 * The readings of these tests' networks: classifiers, set as users would with --output, since the
 * graphs do not show it.
 */
function classifier(p: Pick<Prepared, 'model' | 'facts'>): Meanings {
  const rows = p.model.graph.outputs.filter((v) => {
    const fact = p.facts.get(v);
    return fact?.dtype === 1 && fact.shape.length === 2 && fact.shape[1]! > 1;
  });
  const found = new Map(meaningsOf(p));
  for (const { name } of rows)
    found.set(name, { name, reading: 'classes', axis: 1, source: 'given', why: 'set by --output' });
  return found;
}

/** Random inputs of the sizes at which the facts were collected. */
export const feedsFor = (p: Pick<Subject, 'model' | 'facts'>): Record<string, HostTensor> =>
  Object.fromEntries(
    fedInputs(p.model).map((v, i) => [v.name, randomTensor(p.facts.get(v)!.dtype, p.facts.get(v)!.shape, i + 1)]),
  );

/**
 * Removes about `ratio` of the units of every structure (never all), and of the structures with a
 * single unit.
 */
export function randomPlan(p: Pick<Subject, 'structures'>, seed: number, ratio = 0.3, blockRatio = 0): Cut {
  const random = seededRandom(seed);
  const choices = p.structures.flatMap((s) => {
    if (s.units === 1) return random.next() < blockRatio ? [choiceOf(s, [0])] : [];
    const units = random.shuffle(Array.from({ length: s.units }, (_, i) => i));
    const n = Math.min(s.units - 1, Math.max(1, Math.round(s.units * ratio)));
    return [
      choiceOf(
        s,
        units.slice(0, n).sort((a, b) => a - b),
      ),
    ];
  });
  return { choices };
}

export async function runOnce(
  model: Model,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<Record<string, HostTensor>> {
  const session = await plainExecutor.open(model, { optimization: 'disabled' });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/**
 * Adds the results of linear operators with unchangeable width as outputs; surgery keeps these
 * whole anyway. After a softmax or a selection of boxes, the model's own outputs may be empty or
 * constant and then agree regardless of the cut.
 */
export function exposeFrozen(p: Prepared): void {
  const { graph } = p.model;
  const frozen = new Set(p.analysis.skipped.map((s) => s.group));
  for (const n of graph.nodes())
    if (frozen.has(n.label) && !graph.outputs.includes(n.output())) graph.outputs.push(n.output());
}

export interface OracleResult {
  /** Pruned against masked; rounding error when the rewrite is correct. */
  readonly error: number;
  /** Masked against original; the check is meaningful when this is not zero. */
  readonly effect: number;
  readonly pruned: Model;
}

/** Compares pruned and masked models on the same random inputs. */
export async function oracle(
  p: Subject,
  plan: Cut,
  feeds: Readonly<Record<string, HostTensor>> = feedsFor(p),
): Promise<OracleResult> {
  const pruned = applyPlan(p, plan).model;
  verifyModel(pruned);
  const masked = maskModel(p, plan);
  verifyModel(masked);
  const [original, a, b] = [await runOnce(p.model, feeds), await runOnce(pruned, feeds), await runOnce(masked, feeds)];
  return { error: difference(b, a), effect: difference(original, b, true), pruned };
}
