import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { oracle, prepare, randomPlan, runOnce } from '../../../../test/support/prune.ts';
import { Net } from '../../../../test/support/topologies.ts';
import { randomTensor } from '../../runtime/random-inputs.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { graphAttr, int } from '../ir/attribute.ts';
import { DType } from '../ir/dtype.ts';
import { Graph } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import { Node } from '../ir/node.ts';
import { f32, i64 } from '../ir/tensor.ts';
import { Value } from '../ir/value.ts';
import { verifyModel } from '../ir/verify.ts';
import { takeBranches } from './take-branches.ts';

/** A branch that convolves x with separate weights, or returns x itself. */
function branch(n: Net, x: Value, channels: number, convolves: boolean): Graph {
  const g = new Graph();
  g.name = 'branch';
  if (!convolves) {
    // The runtime requires a node before a branch's output.
    g.outputs.push(g.emit('Identity', [x], { outputName: 'as_it_is' })[0]!);
    return g;
  }
  const data = Array.from({ length: channels * channels }, (_, i) => ((i * 7) % 11) / 11 - 0.5);
  const w = g.addInitializer('inner', f32(data, [channels, channels, 1, 1]));
  const y = new Value('branch_out', { elemType: DType.FLOAT });
  g.append(new Node('Conv', [x, w], [y], { name: n.model.graph.freshName('inside') }));
  g.outputs.push(y);
  return g;
}

/** Convolutions around an If whose condition is that the size of an axis equals `want`. */
function network(axis: number, want: number): Model {
  const n = new Net();
  const x = n.relu(n.conv(n.input('batch', 3, 4, 4), 3, 6));
  const at = n.model.graph.addInitializer('at', i64([axis], []));
  const size = n.op('Gather', [n.op('Shape', [x]), at], { axis: int(0) });
  const condition = n.op('Equal', [size, n.model.graph.addInitializer('want', i64([want], []))]);
  const y = new Value('chosen');
  n.model.graph.append(
    new Node('If', [condition], [y], {
      name: 'if',
      attributes: [
        ['then_branch', graphAttr(branch(n, x, 6, true))],
        ['else_branch', graphAttr(branch(n, x, 6, false))],
      ],
    }),
  );
  return n.out(n.head(n.relu(y), 6));
}
const operators = (m: Model): string[] => [...m.graph.nodes()].map((n) => n.key);

describe('conditions that are settled', () => {
  it.each([
    [6, 2],
    [5, 1],
  ])('give way to the branch that is taken (%i)', async (want, convolutions) => {
    const m = network(1, want);
    const feeds = { x: randomTensor(DType.FLOAT, [2, 3, 4, 4], 3) };
    const before = await runOnce(m, feeds);
    expect(takeBranches(m, await collectFacts(m, plainExecutor))).toBe(1);
    verifyModel(m);
    expect(operators(m)).not.toContain('If');
    expect(operators(m).filter((o) => o === 'Conv')).toHaveLength(convolutions);
    expect(await runOnce(m, feeds)).toEqual(before);
    // Nodes from the branch are pruned like all others.
    const p = await prepare(m);
    expect(p.analysis.groups.map((g) => g.units)).toEqual(convolutions === 2 ? [6, 6] : [6]);
    expect((await oracle(p, randomPlan(p, 2, 0.4))).error).toBeLessThan(1e-5);
  });

  it('stay where another batch would take the other branch', async () => {
    const m = network(0, 1);
    expect(takeBranches(m, await collectFacts(m, plainExecutor))).toBe(0);
    expect(operators(m)).toContain('If');
  });
});
