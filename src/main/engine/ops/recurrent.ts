/** LSTM, GRU and RNN: a hidden unit is removed together with all of its gates, recurrent inputs and states. */
import { int } from '../ir/attribute.ts';
import type { Value } from '../ir/value.ts';
import { unsupported, type AxisRef, type OperatorDef, type PruneContext, type RewriteContext } from './contract.ts';
import { w, x } from './support/elementwise.ts';

/**
 * x [T,B,I], w [D,gH,I], r [D,gH,H], bias [D,2gH], lengths [B], states [D,B,H]; y [T,D,B,H], last states [D,B,H]. Gates
 * follow one another, H rows each. `layout` 1 (batch first) is supported: only the order of the axes differs.
 */
const relateWith =
  (states: number) =>
  (ctx: PruneContext): void => {
    const { node } = ctx;
    const [value, wx, wr, bias, lengths] = node.inputs;
    const hidden = ctx.shape(wr!)[2]!;
    const batchFirst = node.attributes.get('layout');
    if (batchFirst?.kind === 'int' && batchFirst.value !== 0n) return;
    const unit: AxisRef = { value: wr!, axis: 2 };
    ctx.sink({ value: value!, axis: 2 }, { value: wx!, axis: 2 });
    const gates = (v: Value, axis: number): void => ctx.map({ value: v, axis }, unit, (i) => i % hidden);
    gates(wx!, 1);
    gates(wr!, 1);
    if (bias) gates(bias, 1);
    const peepholes = node.input(7);
    if (peepholes) gates(peepholes, 1);
    for (const s of [node.input(5), states > 1 ? node.input(6) : null]) {
      if (!s) continue;
      ctx.same({ value: s, axis: 2 }, unit);
      ctx.same({ value: s, axis: 1 }, { value: value!, axis: 1 });
    }
    if (lengths) ctx.same({ value: lengths, axis: 0 }, { value: value!, axis: 1 });
    // A unit's contributions to other units all pass through the recurrent weights.
    ctx.sink({ value: wr!, axis: 2 }, unit);
    node.outputs.forEach((y, i) => {
      if (!y.name) return;
      const batch = i === 0 ? 2 : 1;
      ctx.same({ value: y, axis: batch + 1 }, unit);
      ctx.same({ value: y, axis: batch }, { value: value!, axis: 1 });
      if (i === 0) ctx.same({ value: y, axis: 0 }, { value: value!, axis: 0 });
    });
  };

function rewrite(ctx: RewriteContext): void {
  const { node } = ctx;
  const hidden = ctx.shapeAfter(node.input(2)!)[2]!;
  if (node.attributes.has('hidden_size')) node.attributes.set('hidden_size', int(hidden));
}

function cell(opType: string, gates: number, states: number): OperatorDef {
  const sizes = (inputs: number, hidden: number, directions = 1) =>
    [
      w([directions, gates * hidden, inputs]),
      w([directions, gates * hidden, hidden]),
      w([directions, 2 * gates * hidden]),
    ] as const;
  return {
    opType,
    traits: { recurrent: true },
    shape: (ctx) => {
      const [input, r] = [ctx.in(0)!, ctx.in(2)!];
      const [directions, hidden] = [r[0]!, r[2]!];
      const last = [directions, input[1]!, hidden];
      return [[input[0]!, ...last.slice(0, 1), input[1]!, hidden], last, last].slice(0, ctx.node.outputs.length);
    },
    macs: (ctx) => {
      const [input, wx, wr] = [ctx.in(0)!, ctx.in(1)!, ctx.in(2)!];
      return input[0]! * input[1]! * (wx[0]! * wx[1]! * wx[2]! + wr[0]! * wr[1]! * wr[2]!);
    },
    prune: { relate: relateWith(states), rewrite },
    grad: unsupported('backpropagation through time is not built'),
    examples: [
      {
        name: 'one direction',
        attributes: [['hidden_size', int(4)]],
        inputs: [x([3, 2, 5]), ...sizes(5, 4)],
        outputs: 1 + states,
      },
      {
        name: 'given states',
        attributes: [['hidden_size', int(3)]],
        inputs: [x([2, 2, 4]), ...sizes(4, 3), null, x([1, 2, 3]), ...(states > 1 ? [x([1, 2, 3])] : [])],
        outputs: 1,
      },
    ],
  };
}

export const operators: readonly OperatorDef[] = [cell('LSTM', 4, 2), cell('GRU', 3, 1), cell('RNN', 1, 1)];
