/**
 * Prepares the model for the job: constants folded, batch normalization folded, shortcuts in the
 * form that the runtime fuses; then facts and structures. The given file is unchanged and remains
 * the reference.
 */
import { cloneModel } from '../../engine/ir/clone.ts';
import type { Facts } from '../../engine/ir/facts.ts';
import type { TimedPhase } from '../../engine/latency/phases.ts';
import type { Model } from '../../engine/ir/model.ts';
import {
  constantsToInitializers,
  eliminateDead,
  eliminateIdentity,
  eliminateRepeatedActivation,
  foldBatchNorm,
  paddedShortcutsToConv,
  runPasses,
  takeBranches,
  takeSequences,
  unlistInitializers,
  unrollLoops,
  untieVectors,
} from '../../engine/passes/index.ts';
import type { StructureKind, Subject } from '../../engine/structures/contract.ts';
import { findStructures } from '../../engine/structures/find.ts';
import { gatherShuffles } from '../../engine/structures/axes/shuffles.ts';
import type { Meanings } from '../../engine/quality/meaning.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { inlineFunctions } from '../../runtime/inline.ts';
import type { StageContext } from '../context.ts';
import { graphLeaf, structureOf } from '../leaves.ts';
import { derived, input } from '../stage.ts';
import { foldConstants } from '../../engine/passes/fold-constants.ts';
import { factsStage } from './cached-facts.ts';

export interface Prepared extends Subject {
  /** Reading of each output; default: as the graph and its shapes imply. */
  readonly meanings?: Meanings;
  /**
   * Phases whose weighted sum is the latency, for a component of a package; default: one run at the
   * model's own sizes.
   */
  readonly phases?: readonly TimedPhase[];
  /** Number of shortcuts that became convolutions. */
  readonly rewritten: number;
  /** Sentences for the report. */
  readonly notes: readonly string[];
}

/** The prepared model of a source. Its facts are cached for the next time. */
export const prepareModel = derived({
  name: 'prepare',
  version: 2,
  inputs: { source: input<Model>(), batch: input<number>(), runtime: input<string>() },
  run: ({ source, batch }, ctx: Pick<StageContext, 'executor' | 'artifact'>, { given }) =>
    prepare(
      source,
      ctx,
      batch,
      async (model) => (await factsStage.run({ ...given, graph: graphLeaf(model) }, ctx)).value,
    ),
  // Structures can change when detection improves, and figures per structure must not outlive that.
  content: contentOf,
});

/** The graph and its structures, as part of a key. */
export function contentOf({ model, structures }: Prepared): unknown {
  const found = structures.map((s) => [s.kind.name, s.id, s.units, s.axes?.members.length ?? null]);
  return [structureOf(model), found];
}

/** The prepared model with the given readings of its outputs. */
export const withReadings = derived({
  name: 'readings',
  version: 1,
  inputs: { prepared: input<Prepared>(), meanings: input<Meanings>() },
  run: ({ prepared, meanings }): Prepared => ({ ...prepared, meanings }),
});

/**
 * @param batch the batch size at which latency is measured
 * @param factsOf returns the facts of a model at that batch size; default: collected anew
 * @param kinds kinds of structures to find; default: all
 */
export async function prepare(
  source: Model,
  ctx: Pick<StageContext, 'executor'>,
  batch: number,
  factsOf: (model: Model) => Promise<Facts> = (model) => collectFacts(model, ctx.executor, { batch }),
  kinds?: readonly StructureKind[],
): Promise<Prepared> {
  const { model } = cloneModel(await inlineFunctions(source));
  const notes = initializerNotes(source);
  runPasses(model, [unlistInitializers]);
  const factsNow = (): Promise<Facts> => factsOf(model);
  let facts: Facts;
  // Unrolling can expose further branches, lists and loops, so it repeats until nothing changes.
  do {
    runPasses(model, [constantsToInitializers, eliminateIdentity]);
    await foldConstants(model, ctx.executor);
    runPasses(model, [untieVectors, foldBatchNorm, eliminateRepeatedActivation, eliminateDead]);
    facts = await factsNow();
  } while (takeBranches(model, facts) + unrollLoops(model, facts) + takeSequences(model, facts) > 0);
  const shuffles = gatherShuffles(model, facts);
  const rewritten = paddedShortcutsToConv(model, facts);
  if (rewritten || shuffles) facts = await factsNow();
  return { model, facts, ...findStructures(model, facts, kinds), rewritten, notes };
}

/** Notes on initializers that are graph inputs as well. */
function initializerNotes(source: Model): string[] {
  const { inputs, initializers } = source.graph;
  if (source.fileIrVersion !== null)
    return [
      `The model has IR version ${source.fileIrVersion}, in which every initializer is an input as well: the result has version ${source.irVersion} and lists its data inputs only.`,
    ];
  const listed = inputs.filter((v) => v.isInitializer);
  if (listed.length === 0) return [];
  if (listed.length === initializers.size)
    return ['All initializers are inputs as well: they are constants in the result, which lists its data inputs only.'];
  const names = listed.map((v) => v.name).join(', ');
  return [`Inputs with a default value stay inputs, and those that are cut take the shape of the cut: ${names}.`];
}

/** Removes leftovers of a dropped block after surgery. */
export const tidy = (model: Model): void => {
  runPasses(model, [eliminateRepeatedActivation, eliminateDead]);
};
