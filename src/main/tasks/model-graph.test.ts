import { expect, it } from 'vitest';
import { bypassesOf } from '../engine/structures/find.ts';
import { residualExample } from '../../../test/support/jobs/model.ts';
import { assetPath } from '../../../test/support/assets.ts';
import { plainExecutor } from '../../../test/support/executor.ts';
import { GraphBuilder } from '../engine/autodiff/builder.ts';
import { DType } from '../engine/ir/dtype.ts';
import { modelCosts } from '../engine/ir/costs.ts';
import { Model } from '../engine/ir/model.ts';
import { Node } from '../engine/ir/node.ts';
import { f32 } from '../engine/ir/tensor.ts';
import type { ModelGraph } from '../../shared/model/window.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { StageContext } from '../pipeline/context.ts';
import { modelGraph } from './model-graph.ts';
import { prepare, type Prepared } from '../pipeline/prepare/prepare.ts';

/** prepare uses only the executor of the context. */
const ctx = { executor: plainExecutor } as unknown as StageContext;

/** Every edge leads from a box to a later one, both exist, and no edge is repeated. */
function expectSound({ nodes, edges }: ModelGraph): void {
  const place = new Map(nodes.map((n, i) => [n.id, i]));
  expect(place.size).toBe(nodes.length);
  expect(edges.filter((e) => !(place.get(e.from)! < place.get(e.to)!))).toEqual([]);
  expect(new Set(edges.map((e) => `${e.from} ${e.to}`)).size).toBe(edges.length);
}

it('shows a residual network as its convolutions, sums and pools', async () => {
  const p = await prepare(residualExample(), ctx, 1);
  const graph = modelGraph(p);
  expectSound(graph);
  const names = graph.nodes.map((n) => n.operator);
  expect(names).toEqual(['Conv + Relu', 'Conv + Relu', 'Conv', 'Add + Relu', 'GlobalAveragePool + Flatten', 'Gemm']);
  const [stem, a, b, add, pool, fc] = graph.nodes.map((n) => n.id);
  expect(graph.edges).toEqual(
    [[stem, a], [a, b], [stem, add], [b, add], [add, pool], [pool, fc]].map(([from, to]) => ({ from, to })), // prettier-ignore
  );
  const [block] = bypassesOf(p.structures);
  expect(graph.nodes.map((n) => n.block)).toEqual([null, block!.id, block!.id, block!.id, null, null]);
  expect(graph.nodes.map((n) => n.units)).toEqual([8, 8, 8, 8, 8, null]);
  // Summed values have the same width.
  expect(graph.nodes[2]!.group).toBe(graph.nodes[0]!.group);
  expect(graph.nodes.reduce((sum, n) => sum + n.macs, 0)).toBe(modelCosts(p.model, p.facts).macs);
});

it('holds the facts of each operator', async () => {
  const p = await prepare(residualExample(), ctx, 1);
  const { nodes } = modelGraph(p);
  const [stem, , , add, pool, fc] = nodes;
  const [n] = stem!.inputs[0]!;
  expect(stem!.inputs.length).toBe(1);
  expect(stem!.outputs.map((s) => s?.[1])).toEqual([8]);
  expect(stem!.weights[0]!.slice(0, 2)).toEqual([8, stem!.inputs[0]![1]]);
  // The sum has two input boxes; the result of Relu leaves it.
  expect(add!.inputs.map((s) => s?.[1])).toEqual([8, 8]);
  expect(add!.weights).toEqual([]);
  expect(pool!.outputs).toEqual([[n, 8]]);
  expect(fc!.params).toBeGreaterThan(0);
  expect(nodes.reduce((sum, b) => sum + b.params, 0)).toBe(modelCosts(p.model, p.facts).params);
});

it('says why an operator keeps its width', async () => {
  const p = await prepare(residualExample(), ctx, 1);
  const { nodes } = modelGraph(p);
  expect(p.analysis.skipped.length).toBeGreaterThan(0);
  for (const { group, reason } of p.analysis.skipped)
    expect(nodes.filter((b) => b.label === group).map((b) => b.frozen)).toEqual([reason]);
  for (const b of nodes) expect(b.group !== null && b.frozen !== null).toBe(false);
});

/**
 * A sequence of operators whose results are joined with an early value again and again, with
 * similar names.
 */
function longModel(blocks: number): Prepared {
  const model = new Model();
  model.opsets.set('', 17);
  const b = new GraphBuilder(model.graph, 17);
  let v = model.graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 4] });
  const early = v;
  const w = model.graph.addInitializer('w', f32(new Float32Array(16), [4, 4]));
  for (let i = 0; i < blocks; i++) {
    v = b.op('MatMul', [v, w]);
    v.producer!.name = i % 2 ? 'same' : 'same#2';
    v = b.relu(b.add(b.relu(v), early));
  }
  model.graph.outputs.push(v);
  const none = { groups: [], sinks: [], reductions: [], skipped: [] };
  return { model, facts: new Map(), analysis: none, structures: [], rewritten: 0, notes: [] };
}

/** Number of lookups while `f` runs: a measure of work that does not depend on the machine. */
function lookups(f: () => void): number {
  let count = 0;
  const undo: (() => void)[] = [];
  for (const [of, name] of [
    [Map.prototype, 'get'],
    [Map.prototype, 'has'],
    [Set.prototype, 'has'],
    [Node.prototype, 'inputs'],
  ] as const) {
    // prettier-ignore
    const plain = Object.getOwnPropertyDescriptor(of, name)!;
    const counting = (old: (...args: unknown[]) => unknown) =>
      function (this: unknown, ...args: unknown[]): unknown {
        count++;
        return old.apply(this, args);
      };
    Object.defineProperty(of, name, plain.get ? { ...plain, get: counting(plain.get) } : { ...plain, value: counting(plain.value as () => unknown) }); // prettier-ignore
    undo.push(() => void Object.defineProperty(of, name, plain));
  }
  try {
    f();
  } finally {
    undo.forEach((u) => u());
  }
  return count;
}

it('is linear in the number of operators, with names of its own where theirs are alike', () => {
  const [few, many] = [longModel(400), longModel(1600)];
  const [least, most] = [few, many].map((p) => lookups(() => void modelGraph(p)));
  expect(least).toBeGreaterThan(1000);
  expect(most! / least!).toBeLessThan(4.4);
  const graph = modelGraph(many);
  expectSound(graph);
  expect(graph.nodes.length).toBe(1600);
  expect(graph.nodes[0]!.operator).toBe('MatMul + Relu ×2 + Add');
});

const yolox = assetPath('models/yolox_nano_coco.onnx');
it.skipIf(!yolox)('joins the paths of a detector (needs ../shared/assets)', async () => {
  const p = await prepare(openModelFile(yolox!), ctx, 1);
  const graph = modelGraph(p);
  expectSound(graph);
  expect(graph.nodes.length).toBeLessThan(p.model.graph.nodeCount / 2);
  const convs = [...p.model.graph.nodes()].filter((n) => n.opType === 'Conv').length;
  expect(graph.nodes.filter((n) => n.operator.startsWith('Conv')).length).toBeGreaterThanOrEqual(convs);
});
