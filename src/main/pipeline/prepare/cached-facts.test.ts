import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { GraphBuilder } from '../../engine/autodiff/builder.ts';
import type { Executor } from '../../engine/executor.ts';
import { DType } from '../../engine/ir/dtype.ts';
import type { Facts } from '../../engine/ir/facts.ts';
import { Graph } from '../../engine/ir/graph.ts';
import { Model } from '../../engine/ir/model.ts';
import { f32 } from '../../engine/ir/tensor.ts';
import { ArtifactStore } from '../../storage/artifacts.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { keyed } from '../../../../test/support/keyed.ts';
import { graphLeaf } from '../leaves.ts';
import { factsStage } from './cached-facts.ts';

const folder = mkdtempSync(join(tmpdir(), 'secateur-facts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

/** A model with a dynamic batch, constants, and a mask of infinities. */
function example(width: number): Model {
  const m = new Model(new Graph());
  m.opsets.set('', 17);
  const x = m.graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', 3] });
  const b = new GraphBuilder(m.graph, 17);
  const masked = b.add(x, b.tensor(f32([0, -Infinity, NaN], [3])));
  const wide = b.matmul(b.relu(masked), b.tensor(f32(new Float32Array(3 * width), [3, width])));
  const shape = b.op('Shape', [wide]);
  shape.type = { elemType: DType.INT64 };
  wide.type = { elemType: DType.FLOAT };
  m.graph.outputs.push(wide, shape);
  return m;
}

it('another job reads the facts that the first one collected', async () => {
  let opened = 0;
  const executor: Executor = { open: (m, o) => (opened++, plainExecutor.open(m, o)) };
  const store = new ArtifactStore(folder);
  const ctx = { executor, artifact: store.get.bind(store) };
  const factsOf = async (model: Model, source: string, batch: number): Promise<Facts> => {
    const given = { source: keyed(model, source), batch: keyed(batch, batch), runtime: keyed('1') };
    return (await factsStage.run({ ...given, graph: graphLeaf(model) }, ctx)).value;
  };
  const byName = (facts: Facts) => [...facts].map(([v, f]) => [v.name, f]);
  const fresh = example(4);
  const first = await factsOf(fresh, 'a', 1);
  const again = example(4);
  const second = await factsOf(again, 'a', 1);
  expect(opened).toBe(1);
  expect(byName(second)).toEqual(byName(await collectFacts(again, plainExecutor, { batch: 1 })));
  expect(byName(second)).toEqual(byName(first));
  const values = new Set(again.graph.values());
  for (const v of second.keys()) expect(values.has(v)).toBe(true);
  // Another graph, batch or file gives other facts.
  await factsOf(example(5), 'a', 1);
  await factsOf(example(4), 'a', 2);
  await factsOf(example(4), 'b', 1);
  expect(opened).toBe(4);
});
