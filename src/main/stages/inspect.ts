/** What a model is made of: family, ports, operators, costs, groups, and what blocks pruning. */
import type { InspectReport, InspectRequest, OperatorCount, Port } from '../../shared/model/tasks.ts';
import type { GroupInfo } from '../../shared/model/types.ts';
import { modelCosts, nodeCosts } from '../engine/ir/costs.ts';
import { dtypeName, elementCount } from '../engine/ir/dtype.ts';
import type { Facts } from '../engine/ir/facts.ts';
import type { Model } from '../engine/ir/model.ts';
import type { Value } from '../engine/ir/value.ts';
import { operatorFor } from '../engine/ops/registry.ts';
import type { Group } from '../engine/pruning/types.ts';
import { collectFacts } from '../runtime/facts.ts';
import type { StageContext } from './context.ts';
import { familyOf } from './family.ts';
import { loadWithHash } from './load.ts';
import { modelGraph } from './model-graph.ts';
import { prepare } from './prepare.ts';
import { assumedSizes, sized } from './sized.ts';

export async function runInspect(request: InspectRequest, ctx: StageContext): Promise<InspectReport> {
  ctx.progress({ stage: 'load', message: 'reading the model', done: 0 });
  const whole = await sized(await loadWithHash(request.model), request, ctx);
  const { model, sha256, bytes } = whole;
  const { batch } = whole.sizes;
  ctx.progress({ stage: 'facts', message: 'running the model once', done: 0 });
  const facts = await collectFacts(model, ctx.executor, { batch });
  ctx.progress({ stage: 'groups', message: 'finding what belongs together', done: 0 });
  // As `compress` sees the model, so that recipes can name what is listed here.
  const working = await prepare(model, ctx, batch, whole.key);
  const { model: prepared, analysis, blocks } = working;
  const { groups, skipped } = analysis;
  const { macs, params } = modelCosts(model, facts);
  const operators = countOperators(model, facts, prepared);
  const unknown = operators.filter((o) => !o.known).map((o) => o.operator);
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
    groups: groups.map(groupInfo),
    blocks: blocks.map((b) => b.id),
    skipped,
    graph: modelGraph(working),
    notes: [
      ...whole.notes,
      ...(unknown.length > 0 ? [`Without rules, so what touches them stays whole: ${unknown.join(', ')}.`] : []),
    ],
  };
}

export function groupInfo(group: Group): GroupInfo {
  let elements = 0;
  const nodes = new Set<string>();
  for (const m of group.members) {
    for (const n of m.nodes) nodes.add(n.name);
    const dims = m.value.initializer?.dims;
    if (!dims) continue;
    const perIndex = elementCount(dims) / (dims[m.axis] ?? 1);
    elements += perIndex * (m.indices[0]?.length ?? 1);
  }
  return { id: group.id, units: group.units, paramsPerUnit: elements, nodes: [...nodes] };
}

/** An operator that preparing folds away (constants, say) blocks nothing, so it counts as known. */
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
