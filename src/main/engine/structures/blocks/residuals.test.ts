import { describe, expect, it } from 'vitest';
import { float, int, ints } from '../../ir/attribute.ts';
import { DType } from '../../ir/dtype.ts';
import type { Model } from '../../ir/model.ts';
import type { Value } from '../../ir/value.ts';
import { oracle, prepare, randomPlan, choose } from '../../../../../test/support/prune.ts';
import { Net } from '../../../../../test/support/topologies.ts';
import { lostDependence } from '../../ir/dependence.ts';
import { structureOf } from './kind.ts';
import { findResiduals } from './residuals.ts';
import { applyPlan } from '../apply.ts';

const C = 6;
const start = (n: Net, batch: number | string = 'N'): Value => n.relu(n.conv(n.input(batch, 3, 6, 6), 3, C));
const branch = (n: Net, x: Value): Value => n.conv(n.relu(n.conv(x, C, C)), C, C);
const built = (make: (n: Net) => Value): Model => {
  const n = new Net();
  return n.out(n.head(n.relu(make(n)), C));
};

/** Sums whose other addend is not a shortcut. */
const NONE: [string, (n: Net) => Value][] = [
  [
    'noise of a fixed shape',
    (n) => {
      const noise = n.op('RandomNormal', [], { shape: ints([1, C, 6, 6]), seed: float(1) });
      return n.add(n.conv(start(n, 1), C, C), n.op('Mul', [noise, n.weight(1, C, 1, 1)]));
    },
  ],
  [
    'noise like the input of the branch',
    (n) => {
      const x = start(n);
      const noise = n.op('RandomNormalLike', [x], { seed: float(1) });
      return n.add(branch(n, x), n.op('Mul', [noise, n.weight(1, C, 1, 1)]));
    },
  ],
  [
    'a table in the shape of the batch',
    (n) => {
      const x = start(n);
      return n.add(branch(n, x), n.op('Expand', [n.weight(1, C, 6, 6), n.op('Shape', [x])]));
    },
  ],
  [
    'a mean over the batch',
    (n) => {
      const x = start(n);
      return n.add(branch(n, x), n.op('ReduceMean', [x], { axes: ints([0]), keepdims: int(1) }));
    },
  ],
  [
    'a map made of another input',
    (n) => {
      const [x, c] = [start(n), n.input('N', C, 6, 6)];
      return n.add(n.op('Mul', [branch(n, x), c]), n.relu(c));
    },
  ],
];

describe('residual blocks', () => {
  it.each(NONE)('are not made by %s', async (_, make) => {
    const p = await prepare(built(make));
    expect(p.blocks).toEqual([]);
    expect(p.analysis.groups.length).toBeGreaterThan(0);
  });

  it('that are none for what enters by them say so', async () => {
    const second = await prepare(
      built((n) => ((x) => n.add(x, n.op('Mul', [n.conv(x, C, C), n.input('N', C, 1, 1)])))(start(n))),
    );
    const name = second.model.graph.inputs[1]!.name;
    expect(findResiduals(second.model, second.facts)).toEqual({
      blocks: [],
      refused: [
        {
          group: expect.stringMatching(/^block conv/) as string,
          operator: expect.stringContaining('Add') as string,
          reason: `the input ${name} enters by it, and not by its shortcut`,
        },
      ],
    });
    const noise = await prepare(
      built((n) =>
        n.add(n.conv(start(n, 1), C, C), n.op('RandomNormal', [], { shape: ints([1, C, 6, 6]), seed: float(1) })),
      ),
    );
    const { refused } = findResiduals(noise.model, noise.facts);
    // The whole model up to the sum is not a branch of noise.
    expect(refused.every((r) => r.reason.includes('no input'))).toBe(true);
    const plain = await prepare(built((n) => ((x) => n.add(x, branch(n, x)))(start(n))));
    expect(findResiduals(plain.model, plain.facts).refused).toEqual([]);
  });

  it('are found beside noise and with several inputs, and dropping all of them keeps what every output depends on', async () => {
    const p = await prepare(
      built((n) => {
        let [x, t] = [start(n), n.input('N', C, 1, 1)];
        x = n.add(x, n.op('Mul', [n.conv(x, C, C), t]));
        x = n.add(x, n.op('Mul', [branch(n, x), t]));
        x = n.add(n.conv(x, C, C), n.op('RandomNormalLike', [x], { seed: float(2), scale: float(1e-6) }));
        return n.add(x, branch(n, x));
      }),
    );
    // The first branch adds the second input.
    expect(p.blocks).toHaveLength(2);
    for (let seed = 1; seed <= 3; seed++)
      expect((await oracle(p, randomPlan(p, seed, 0.3, 0.6))).error).toBeLessThan(1e-4);
    const all = choose(
      p,
      {},
      p.blocks.map((b) => b.id),
    );
    const { model } = applyPlan(p, all);
    expect(lostDependence(p.model, model)).toBeNull();
  });

  it('that would leave an output without an input are refused by surgery', async () => {
    const p = await prepare(built((n) => n.add(start(n), n.conv(n.input('N', C, 6, 6), C, C))));
    const [add] = [...p.model.graph.nodes()].filter((n) => n.opType === 'Add');
    const [shortcut, side] = [add!.input(0)!, add!.input(1)!];
    const block = { id: 'made up', add: add!, shortcut, branch: side, nodes: [side.producer!] };
    const structures = [structureOf(block)];
    expect(() => applyPlan({ ...p, structures }, choose({ structures }, {}, ['made up']))).toThrow(
      expect.objectContaining({ code: 'plan-invalid', message: expect.stringContaining('would not depend on input') }),
    );
    expect(p.facts.get(shortcut)!.dtype).toBe(DType.FLOAT);
  });
});
