/**
 * Inspects a model: family, ports, operators, costs, groups, and the operators that block pruning.
 */
import { structureInfo } from '../engine/structures/structure-info.ts';
import type { InspectReport, InspectRequest, OperatorCount, Port } from '../../shared/model/tasks.ts';
import type { OriginalQuality } from '../../shared/model/quality.ts';
import { modelCosts, nodeCosts } from '../engine/ir/costs.ts';
import { dtypeName } from '../engine/ir/dtype.ts';
import type { Facts } from '../engine/ir/facts.ts';
import type { Model } from '../engine/ir/model.ts';
import type { Value } from '../engine/ir/value.ts';
import { operatorFor } from '../engine/ops/registry.ts';
import type { Meanings } from '../engine/quality/meaning.ts';
import { collectFacts } from '../runtime/facts.ts';
import type { StageContext } from '../pipeline/context.ts';
import { familyOf } from '../engine/families/network.ts';
import { classNamesOf } from '../pipeline/prepare/class-names.ts';
import { openModelData } from '../pipeline/prepare/model-data.ts';
import { originalQuality } from '../pipeline/prepare/original-quality.ts';
import { readOutputs } from '../pipeline/prepare/readings.ts';
import { loadWithHash } from '../pipeline/prepare/load.ts';
import { prunableShare } from '../pipeline/prepare/prunable-share.ts';
import { modelGraph } from './model-graph.ts';
import { prepareSized } from '../pipeline/prepare/open-model.ts';
import { assumedSizes, axisSizes, sized, type SizedModel } from '../pipeline/prepare/sized.ts';
import { withoutRules } from '../engine/structures/without-rules.ts';

export async function runInspect(request: InspectRequest, ctx: StageContext): Promise<InspectReport> {
  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const file = await loadWithHash(request.model, { withoutInputs: true });
  const { data } = request;
  const opened = data === undefined ? null : await openModelData(file.model, request.model, { ...request, data }, ctx);
  try {
    return await inspected(request, await sized(file, { ...request, ...(opened && { shapes: opened.shapes }) }, ctx), opened, ctx); // prettier-ignore
  } finally {
    await opened?.dataset.close();
  }
}

async function inspected(
  request: InspectRequest,
  whole: SizedModel,
  opened: Opened | null,
  ctx: StageContext,
): Promise<InspectReport> {
  const { model, sha256, bytes } = whole;
  const { batch } = whole.sizes;
  ctx.progress({ stage: 'facts', message: 'running the model once', done: 0 });
  const facts = await collectFacts(model, ctx.executor, { batch });
  ctx.progress({ stage: 'groups', message: 'finding groups', done: 0 });
  // The model as `compress` sees it, so that recipes can name the listed groups.
  const working = await prepareSized(whole, ctx);
  const { model: prepared, structures } = working;
  const { macs, params } = modelCosts(model, facts);
  const operators = countOperators(model, facts, prepared);
  const { meanings, original, notes } = await withData(whole, request, opened, ctx);
  ctx.progress({ stage: 'groups', message: 'done', done: 1 });
  return {
    model: request.model,
    sha256,
    bytes,
    producer: [model.producerName, model.producerVersion].filter((s) => s !== '').join(' '),
    irVersion: model.fileIrVersion ?? model.irVersion,
    opsets: Object.fromEntries(model.opsets),
    family: familyOf(model),
    inputs: model.graph.inputs.filter((v) => !v.isInitializer).map((v) => port(v, facts)),
    outputs: model.graph.outputs.map((v) => port(v, facts)),
    nodes: model.graph.nodeCount,
    operators,
    macs,
    params,
    assumed: assumedSizes(whole),
    sizes: axisSizes(whole, request.dims),
    groups: structures.filter((s) => s.units > 1).map(structureInfo),
    blocks: structures.filter((s) => s.units === 1).map((s) => s.name),
    skipped: working.analysis.skipped,
    prunableShare: prunableShare(working),
    graph: modelGraph(working),
    meanings: [...meanings.values()],
    ...(original && { original }),
    notes: [...whole.notes, ...withoutRules(prepared), ...notes],
  };
}

type Opened = Awaited<ReturnType<typeof openModelData>>;

/** Readings of outputs, and the original's predictions when there are data. */
async function withData(
  { model, sizes }: SizedModel,
  request: InspectRequest,
  opened: Opened | null,
  ctx: StageContext,
): Promise<{ meanings: Meanings; original: OriginalQuality | null; notes: readonly string[] }> {
  const dataset = opened?.dataset ?? null;
  const classNames = await classNamesOf(model, request.model, dataset);
  const how = { dataset, classNames, given: request.outputs, batch: sizes.batch };
  const meanings = await readOutputs(model, how, ctx.executor);
  if (!opened) return { meanings, original: null, notes: [] };
  ctx.progress({ stage: 'data', message: 'running the model on the data', done: 0 });
  const source = { ...request, data: request.data! };
  const look = { model, path: request.model, dataset: opened.dataset, meanings, source };
  return { meanings, original: await originalQuality(look, ctx), notes: opened.notes };
}

/**
 * An operator that preparation folds away (such as a constant) blocks nothing, so it counts as
 * known.
 */
function countOperators(model: Model, facts: Facts, prepared: Model): OperatorCount[] {
  const left = new Set([...prepared.graph.nodes()].map((n) => n.key));
  const found = new Map<string, OperatorCount>();
  for (const { node, macs, params } of nodeCosts(model, facts)) {
    const was = found.get(node.key);
    found.set(node.key, {
      operator: node.key,
      count: (was?.count ?? 0) + 1,
      macs: (was?.macs ?? 0) + macs,
      params: (was?.params ?? 0) + params,
      known: operatorFor(node.key) !== undefined || !left.has(node.key),
    });
  }
  return [...found.values()].sort((a, b) => b.macs - a.macs || b.count - a.count);
}

function port(value: Value, facts: Facts): Port {
  const fact = facts.get(value);
  const declared = value.type?.shape ?? fact?.shape ?? [];
  return {
    name: value.name,
    dtype: dtypeName(value.type?.elemType ?? fact?.dtype ?? 0).toLowerCase(),
    shape: declared.map((d, axis) => (typeof d === 'number' ? d : d || (fact?.dynamic?.[axis] ?? '?'))),
  };
}
