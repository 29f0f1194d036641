/**
 * Lists of tensors, as exporters write them to split a tensor: their contents are pruned like
 * everything else.
 */
import { expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { oracle, randomPlan, runOnce } from '../../../../test/support/prune.ts';
import { Net } from '../../../../test/support/topologies.ts';
import { graphAttr, int } from '../../engine/ir/attribute.ts';
import { cloneModel } from '../../engine/ir/clone.ts';
import { DType } from '../../engine/ir/dtype.ts';
import { Graph } from '../../engine/ir/graph.ts';
import type { Model } from '../../engine/ir/model.ts';
import { Node } from '../../engine/ir/node.ts';
import { i64, MemoryTensor } from '../../engine/ir/tensor.ts';
import { Value } from '../../engine/ir/value.ts';
import { verifyModel } from '../../engine/ir/verify.ts';
import { randomTensor } from '../../runtime/random-inputs.ts';
import type { StageContext } from '../context.ts';
import { prepare } from './prepare.ts';

const ctx = { executor: plainExecutor } as unknown as StageContext;
/** The encoded type of a sequence of float tensors. */
const FLOATS = Uint8Array.of(0x22, 6, 0x0a, 4, 0x0a, 2, 8, DType.FLOAT);

/** A loop that appends x[:, at[i]:at[i + 1]] to a list in each iteration. */
function sliceLoop(n: Net, x: Value, at: readonly number[], turns: Value): Value {
  const outer = n.model.graph;
  const g = new Graph();
  g.name = 'body';
  g.outermost = outer;
  const i = g.addInput(outer.freshName('turn'), { elemType: DType.INT64, shape: [1] });
  const go = g.addInput(outer.freshName('go'), { elemType: DType.BOOL, shape: [] });
  const list = g.addInput(outer.freshName('list'), { elemType: DType.UNDEFINED, raw: FLOATS });
  const [places, one, axis] = [n.ints(...at), n.ints(1), n.ints(1)];
  const from = g.emit('Gather', [places, i], { attributes: [['axis', int(0)]] })[0]!;
  const next = g.emit('Add', [i, one])[0]!;
  const to = g.emit('Gather', [places, next], { attributes: [['axis', int(0)]] })[0]!;
  const part = g.emit('Slice', [x, from, to, axis], { outputName: 'part' })[0]!;
  const longer = g.emit('SequenceInsert', [list, part], { outputName: 'longer' })[0]!;
  longer.type = { elemType: DType.UNDEFINED, raw: FLOATS };
  const goOn = g.emit('Identity', [go], { outputName: 'go_on' })[0]!;
  goOn.type = { elemType: DType.BOOL, shape: [] };
  g.outputs.push(goOn, longer);
  const yes = outer.addInitializer('yes', new MemoryTensor(DType.BOOL, [], Uint8Array.of(1)));
  const empty = n.op('SequenceEmpty', [], { dtype: int(DType.FLOAT) });
  const out = new Value(outer.freshName('parts'));
  outer.append(new Node('Loop', [turns, yes, empty], [out], { name: 'loop', attributes: [['body', graphAttr(g)]] }));
  return out;
}

const scalar = (n: Net, k: number): Value => n.model.graph.addInitializer(n.model.graph.freshName('k'), i64([k], []));

/** Tokens after a class token, as `tensor_split(x, (1,), dim=1)` returns them. */
function classToken(): Model {
  const n = new Net();
  const x = n.relu(n.linear(n.input('batch', 5, 4), 4, 6));
  const first = sliceLoop(n, x, [0, 1], scalar(n, 1));
  const rest = n.op('Slice', [x, n.ints(1), n.ints(5), n.ints(1)]);
  const both = n.op('SequenceInsert', [first, rest]);
  const [token, tokens] = [n.op('SequenceAt', [both, scalar(n, 0)]), n.op('SequenceAt', [both, scalar(n, -1)])];
  const again = n.op('Concat', [token, n.relu(tokens)], { axis: int(1) });
  return n.out(n.linear(again, 6, 3));
}

const networks: Record<string, [() => Model, number[]]> = {
  'a class token and the others': [classToken, [6]],
  'three turns': [
    () => {
      const n = new Net();
      const x = n.relu(n.conv(n.input('batch', 3, 4, 4), 3, 6));
      const list = sliceLoop(n, x, [0, 1, 3, 6], scalar(n, 3));
      const parts = [0, 1, 2].map((k) => n.op('SequenceAt', [list, scalar(n, k)]));
      return n.out(n.head(n.relu(n.op('Concat', [parts[2]!, parts[0]!, parts[1]!], { axis: int(1) })), 6));
    },
    [2, 3], // the part of one channel stays
  ],
  'parts of one size, joined again': [
    () => {
      const n = new Net();
      const x = n.relu(n.conv(n.input('batch', 3, 4, 4), 3, 6));
      const list = n.op('SplitToSequence', [x, scalar(n, 4)], { axis: int(1) });
      return n.out(n.head(n.op('ConcatFromSequence', [list], { axis: int(1) }), 6));
    },
    [4, 2],
  ],
  'single entries without their axis, stacked': [
    () => {
      const n = new Net();
      const x = n.relu(n.linear(n.input('batch', 3, 4), 4, 6));
      const list = n.op('SplitToSequence', [x], { axis: int(1), keepdims: int(0) });
      const shorter = n.op('SequenceErase', [list, scalar(n, 1)]);
      const front = n.op('SequenceInsert', [shorter, n.op('SequenceAt', [list, scalar(n, 1)]), scalar(n, 0)]);
      const whole = n.op('ConcatFromSequence', [front], { axis: int(1), new_axis: int(1) });
      return n.out(n.linear(whole, 6, 3));
    },
    [6],
  ],
};

it.each(Object.entries(networks))('%s: pruned, and right', async (_name, [build, units]) => {
  const source = build();
  const dims = source.graph.inputs[0]!.type!.shape!.map((d) => (typeof d === 'number' ? d : 2));
  const feeds = { [source.graph.inputs[0]!.name]: randomTensor(DType.FLOAT, dims, 3) };
  const before = await runOnce(cloneModel(source).model, feeds);
  const p = await prepare(source, ctx, 2);
  verifyModel(p.model);
  expect([...p.model.graph.nodes()].filter((node) => /Sequence|Loop/.test(node.opType))).toEqual([]);
  expect(await runOnce(p.model, feeds)).toEqual(before);
  expect(p.analysis.groups.map((g) => g.units)).toEqual(units);
  expect((await oracle(p, randomPlan(p, 2, 0.4))).error).toBeLessThan(1e-5);
});

it('leaves lists alone whose length the data or the sizes say', async () => {
  const n = new Net();
  const x = n.relu(n.linear(n.input('batch', 'tokens', 4), 4, 6));
  const list = n.op('SplitToSequence', [x, scalar(n, 1)], { axis: int(1) });
  const m = n.out(n.linear(n.op('ConcatFromSequence', [list], { axis: int(1) }), 6, 3));
  const p = await prepare(m, ctx, 2);
  expect([...p.model.graph.nodes()].map((node) => node.opType)).toContain('SplitToSequence');
  const again = new Net();
  const y = again.relu(again.conv(again.input('batch', 6, 4, 4), 6, 6));
  const size = again.op('Gather', [again.op('Shape', [y]), scalar(again, 0)], { axis: int(0) });
  const parts = sliceLoop(again, y, [0, 1, 3, 4, 5, 6], size);
  const q = await prepare(again.out(again.op('SequenceAt', [parts, scalar(again, 0)])), ctx, 2);
  expect([...q.model.graph.nodes()].map((node) => node.opType)).toContain('Loop');
});
