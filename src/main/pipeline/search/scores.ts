/** Importance of every unit: collects the inputs of the recipe's criterion and ranks. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GraphBuilder } from '../../engine/autodiff/builder.ts';
import { weightedSum } from '../../engine/autodiff/losses.ts';
import { buildBackward, importDomains } from '../../engine/autodiff/walker.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Model } from '../../engine/ir/model.ts';
import { seededRandom } from '../../engine/random.ts';
import { completeScores } from '../../engine/criteria/complete-scores.ts';
import { criterionFor, allCriteria } from '../../engine/criteria/registry.ts';
import type { CriterionContext, Scores, WeightGradient } from '../../engine/criteria/contract.ts';
import { activationsOf, sinkLinks, type SinkLink } from '../../engine/criteria/support/sinks.ts';
import { collectLayers } from '../../engine/compensation/layers.ts';
import { buildGroups } from '../../engine/structures/axes/groups.ts';
import { axesOf } from '../../engine/structures/find.ts';
import { rankUnits } from '../../engine/structures/rank.ts';
import {
  buildStatisticsModel,
  StatisticsAccumulator,
  type ChannelStatistics,
} from '../../engine/statistics/statistics.ts';
import type { Group } from '../../engine/structures/axes/types.ts';
import { HEADS } from '../../engine/heads/registry.ts';
import { classesIn, meaningsOf } from '../../engine/quality/meaning.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import { AUTO } from '../../../shared/model/recipes.ts';
import { FIT_SAMPLES } from './sample-limits.ts';
import type { StageContext } from '../context.ts';
import { derived, input, stage, type Keyed, type Lazy } from '../stage.ts';
import { firstSamples, type Calibration } from '../prepare/calibration.ts';
import type { Prepared } from '../prepare/prepare.ts';

type ScoreTools = Pick<StageContext, 'executor' | 'progress'>;

/** @param name name of a criterion, after 'auto' is resolved */
export async function scoreGroups(
  name: string,
  source: Model,
  p: Prepared,
  calibration: Calibration,
  ctx: ScoreTools,
  threads: number,
  seed: number,
): Promise<Scores> {
  const criterion = criterionFor(name);
  if (!criterion)
    throw new SecateurError('recipe-invalid', {
      path: 'the recipe',
      reason: `there is no criterion ${name}; there are ${[AUTO, ...allCriteria().map((c) => c.name)].join(', ')}`,
    });
  // Batch normalization is folded in the prepared model, so its scales are read from an unfolded
  // one.
  const groups = name === 'bn-scale' ? await unfolded(source, ctx) : axesOf(p.structures);
  let extra: Pick<CriterionContext, 'statistics' | 'moments' | 'gradient'> = {};
  const links = axesOf(p.structures).flatMap(sinkLinks);
  if (criterion.needs === 'activations') extra = await statisticsOf(p, links, calibration, ctx, threads, false);
  if (criterion.needs === 'gram') {
    const { batches } = firstSamples(calibration, FIT_SAMPLES);
    const layers = await collectLayers(ctx.executor, { ...p, structures: [] }, batches, threads);
    // The Gram matrix of channels is used when that of all kernel positions would be too wide.
    const left = links.filter(({ node }) => !layers.has(node));
    extra = { ...(await statisticsOf(p, left, calibration, ctx, threads, true)), moments: (n) => layers.get(n) };
  }
  if (criterion.needs === 'gradients') extra = await gradientsOf(p, calibration, ctx, threads);
  const out = new Map<string, Float64Array>();
  for (const [i, group] of groups.entries()) {
    out.set(group.id, criterion.score({ group, seed: seed + i, ...extra }));
    ctx.progress({ stage: 'score', message: criterion.summary, done: (i + 1) / groups.length });
  }
  return out;
}

const rawScores = stage({
  name: 'scores',
  version: 3,
  inputs: {
    source: input<Model>(),
    prepared: input<Prepared>(),
    calibration: input<Lazy<Calibration>>(),
    criterion: input<string>(),
    seed: input<number>(),
    threads: input<number>(),
  },
  run: async ({ source, prepared, calibration, criterion, seed, threads }, ctx: ScoreTools) =>
    scoreGroups(criterion, source, prepared, await calibration(), ctx, threads, seed),
  codec: {
    write: (folder, scores: Scores) =>
      writeFile(join(folder, 'scores.json'), JSON.stringify([...scores].map(([id, s]) => [id, [...s]]))),
    read: async (folder): Promise<Scores> => {
      const list = JSON.parse(await readFile(join(folder, 'scores.json'), 'utf8')) as [string, number[]][];
      return new Map(list.map(([id, s]) => [id, Float64Array.from(s)]));
    },
  },
});

/** Scores of every structure, and the structures that the criterion could not rank. */
export interface CompleteScores {
  readonly scores: Scores;
  readonly notes: readonly string[];
}

const complete = derived({
  name: 'complete-scores',
  version: 2,
  inputs: { prepared: input<Prepared>(), raw: input<Scores>(), criterion: input<string>() },
  run: ({ prepared: { structures }, raw, criterion }): CompleteScores => {
    const { scores, notes } = completeScores(axesOf(structures), raw, criterion);
    return { scores: rankUnits(structures, scores), notes };
  },
});

/**
 * Scores by the recipe's criterion, cached for other budgets; samples are drawn only when scores
 * are missing.
 */
export async function scoresStage(
  o: Parameters<typeof rawScores.run>[0],
  ctx: ScoreTools & Pick<StageContext, 'artifact'>,
): Promise<Keyed<CompleteScores>> {
  return complete.run({ ...o, raw: await rawScores.run(o, ctx) }, ctx);
}

async function unfolded(source: Model, ctx: Pick<StageContext, 'executor'>): Promise<readonly Group[]> {
  const { model } = cloneModel(source);
  return buildGroups(model, await collectFacts(model, ctx.executor)).groups;
}

async function statisticsOf(
  p: Prepared,
  links: readonly SinkLink[],
  calibration: Calibration,
  ctx: ScoreTools,
  threads: number,
  gram: boolean,
): Promise<Pick<CriterionContext, 'statistics'>> {
  const list = activationsOf(links);
  if (list.length === 0) return {};
  const built = buildStatisticsModel(
    p.model,
    list.map(({ value, axis }) => ({
      value,
      axis,
      shape: p.facts.get(value)!.shape,
      kinds: gram ? ['moments', 'abs', 'gram'] : ['moments', 'abs'],
    })),
  );
  const session = await ctx.executor.open(built.model, { threads });
  const sums = new StatisticsAccumulator(built);
  try {
    for (const feeds of calibration.batches) sums.add(await session.run(only(feeds, session.inputNames)));
  } finally {
    await session.release();
  }
  const found = new Map<string, ChannelStatistics>(
    list.map(({ value, axis }, i) => [`${value.name}:${axis}`, sums.result(i)]),
  );
  return { statistics: (value, axis) => found.get(`${value.name}:${axis}`) };
}

/**
 * Gradient of the loss by every weight: mean and mean square over the batches. With labels:
 * cross-entropy; without: the distance to the original's own softened outputs.
 */
async function gradientsOf(
  p: Prepared,
  calibration: Calibration,
  ctx: ScoreTools,
  threads: number,
): Promise<Pick<CriterionContext, 'gradient'>> {
  const facts = await collectFacts(p.model, ctx.executor, { batch: calibration.size });
  const { model, values } = cloneModel(p.model);
  const shapes = new Map([...values].map(([from, to]) => [to, facts.get(from)]));
  const b = new GraphBuilder(model.graph, model.opset);
  const meanings = meaningsOf(p);
  // Labels describe one output and say nothing about the others.
  const named = classesIn(meanings);
  const output = model.graph.outputs.find((v) => v.name === named) ?? model.graph.outputs[0]!;
  const shape = shapes.get(output)!.shape;
  const meaning = meanings.get(output.name);
  const head = HEADS.comparedBy(meaning);
  const labelled = head.takesLabels?.(meaning) && calibration.labels.every((l) => l !== null);
  const target = model.graph.addInput(
    model.graph.freshName('target'),
    labelled ? { elemType: DType.INT64, shape: [shape[0]!] } : { elemType: DType.FLOAT, shape },
  );
  // At the original's exact outputs the gradient is zero, so the targets are slightly perturbed
  // outputs.
  const own = { name: output.name, meaning, own: output, shape };
  const loss = labelled ? head.labelLoss!(b, own, target) : head.loss(b, { ...own, given: target }, { temperature: 1 });
  const weights = [...p.model.graph.initializers].filter((v) => v.initializer?.dtype === DType.FLOAT && v.isUsed);
  const inGroups = new Set(axesOf(p.structures).flatMap((g) => g.members.map((m) => m.value)));
  const wrt = weights.filter((v) => inGroups.has(v)).map((v) => values.get(v)!);
  const grads = buildBackward(b, { loss: weightedSum(b, [{ loss, weight: 1 }]), wrt, facts: (v) => shapes.get(v) });
  const names = new Map<string, string>();
  for (const w of wrt) {
    const g = grads.get(w);
    if (!g) continue;
    const out = b.op('Identity', [g]);
    out.type = { elemType: DType.FLOAT };
    model.graph.outputs.push(out);
    names.set(w.name, out.name);
  }
  importDomains(model);
  const session = await ctx.executor.open(model, { threads });
  const reference = await ctx.executor.open(p.model, { threads });
  const sums = new Map<string, { mean: Float64Array; square: Float64Array }>();
  try {
    for (const [i, feeds] of calibration.batches.entries()) {
      const labels = calibration.labels[i];
      const given = labelled
        ? { dtype: DType.INT64, dims: [shape[0]!], data: BigInt64Array.from(labels!, BigInt) }
        : perturbed((await reference.run(feeds))[output.name]!, i);
      const out = await session.run({ ...feeds, [target.name]: given }, [...names.values()]);
      for (const [name, from] of names) {
        const data = out[from]!.data as Float32Array;
        let s = sums.get(name);
        if (!s) sums.set(name, (s = { mean: new Float64Array(data.length), square: new Float64Array(data.length) }));
        const n = calibration.batches.length;
        for (let k = 0; k < data.length; k++) {
          s.mean[k]! += data[k]! / n;
          s.square[k]! += data[k]! ** 2 / n;
        }
      }
      ctx.progress({ stage: 'score', message: 'gradients', done: (i + 1) / calibration.batches.length });
    }
  } finally {
    await session.release();
    await reference.release();
  }
  return {
    gradient(v): WeightGradient | undefined {
      const s = sums.get(v.name);
      return s && { mean: s.mean, meanSquare: s.square };
    },
  };
}

const only = <T>(feeds: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
  Object.fromEntries(names.map((n) => [n, feeds[n]!]));

/**
 * Outputs perturbed by a tenth of their spread: the distance to the exact outputs has no gradient,
 * and a small perturbation reveals its curvature.
 */
function perturbed(t: { dtype: number; dims: readonly number[]; data: unknown }, seed: number) {
  const a = t.data as Float32Array;
  let mean = 0;
  for (const x of a) mean += x / a.length;
  let variance = 0;
  for (const x of a) variance += (x - mean) ** 2 / a.length;
  const sd = Math.sqrt(variance) * 0.1;
  const random = seededRandom(seed + 1);
  return { dtype: DType.FLOAT, dims: t.dims, data: Float32Array.from(a, (x) => x + sd * random.normal()) };
}
