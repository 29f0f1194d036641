/** The prepared model with fewer tokens: plans over channels, heads and blocks are then cut from it. */
import type { TokenSchedule } from '../../../shared/model/types.ts';
import type { Model } from '../../engine/ir/model.ts';
import { findStructures } from '../../engine/structures/find.ts';
import { cutTokens } from '../../engine/structures/tokens/cut.ts';
import { findTokenPlaces } from '../../engine/structures/tokens/places.ts';
import type { StageContext } from '../context.ts';
import { batchLeaf, graphLeaf, runtimeLeaf } from '../leaves.ts';
import { derived, input, type Keyed } from '../stage.ts';
import { factsStage } from './cached-facts.ts';
import { contentOf, type Prepared } from './prepare.ts';

/** The prepared model with fewer tokens, its weights as they are. */
export const tokenCut = derived({
  name: 'token-cut',
  version: 1,
  inputs: { prepared: input<Prepared>(), schedule: input<TokenSchedule>() },
  run: ({ prepared, schedule }): Model =>
    cutTokens({ ...prepared, ...findTokenPlaces(prepared.model, prepared.facts) }, schedule),
});

const withTokens = derived({
  name: 'fewer-tokens',
  version: 2,
  inputs: {
    source: input<Model>(),
    prepared: input<Prepared>(),
    cut: input<Model>(),
    batch: input<number>(),
    runtime: input<string>(),
  },
  run: async (
    { prepared, cut: model },
    ctx: Pick<StageContext, 'executor' | 'artifact'>,
    { given },
  ): Promise<Prepared> => {
    const { value: facts } = await factsStage.run({ ...given, graph: graphLeaf(model) }, ctx);
    return { ...prepared, model, facts, ...findStructures(model, facts) };
  },
  content: contentOf,
});

/**
 * The model with fewer tokens, prepared at the batch size at which it is timed.
 * @param o.cut the result of `tokenCut`, or of a fit after it
 */
export const withFewerTokens = (
  o: {
    readonly source: Keyed<Model>;
    readonly prepared: Keyed<Prepared>;
    readonly cut: Keyed<Model>;
    readonly batch: number;
  },
  ctx: Pick<StageContext, 'executor' | 'artifact'>,
): Promise<Keyed<Prepared>> => withTokens.run({ ...o, batch: batchLeaf(o.batch), runtime: runtimeLeaf() }, ctx);
