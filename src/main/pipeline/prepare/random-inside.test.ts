/** Random operators are found everywhere: in branches, loops and functions of the model. */
import { describe, expect, it } from 'vitest';
import { addFunction } from '../../../../test/support/local-function.ts';
import { DType } from '../../engine/ir/dtype.ts';
import { Graph } from '../../engine/ir/graph.ts';
import { Model } from '../../engine/ir/model.ts';
import { f32, i64, tensorFrom } from '../../engine/ir/tensor.ts';
import type { Value } from '../../engine/ir/value.ts';
import { randomNotes, randomOutputsOf } from './random-notes.ts';

const float = { elemType: DType.FLOAT, shape: [4] };

/** x [4] -> plain [4] = Relu(x), and out [4], which `make` computes from x. */
function model(make: (m: Model, x: Value) => Value): Model {
  const m = new Model();
  m.opsets.set('', 17);
  const x = m.graph.addInput('x', float);
  const plain = m.graph.emit('Relu', [x], { outputName: 'plain' })[0]!;
  const out = make(m, x);
  out.name = 'out';
  for (const v of [plain, out]) {
    v.type = float;
    m.graph.outputs.push(v);
  }
  return m;
}

const bool = (yes: boolean) => tensorFrom({ dtype: DType.BOOL, dims: [], data: Uint8Array.of(yes ? 1 : 0) });

/** A graph without inputs that reads the outer value `from`. */
function branch(make: (g: Graph) => Value): Graph {
  const g = new Graph();
  g.name = 'branch';
  const y = make(g);
  y.type = float;
  g.outputs.push(y);
  return g;
}

function either(m: Model, x: Value, make: (g: Graph) => Value): Value {
  const condition = m.graph.emit('ReduceMax', [x], { attributes: [['keepdims', { kind: 'int', value: 0n }]] })[0]!;
  const cond = m.graph.emit('Cast', [condition], {
    attributes: [['to', { kind: 'int', value: BigInt(DType.BOOL) }]],
  })[0]!;
  const still = branch((g) => g.emit('Identity', [x])[0]!);
  const attributes = [
    ['then_branch', { kind: 'graph', value: branch(make) }],
    ['else_branch', { kind: 'graph', value: still }],
  ] as const;
  return m.graph.emit('If', [cond], { attributes })[0]!;
}

function loop(m: Model, x: Value, make: (g: Graph, carried: Value) => Value): Value {
  const body = new Graph();
  body.name = 'body';
  body.addInput('turn', { elemType: DType.INT64, shape: [] });
  const on = body.addInput('on', { elemType: DType.BOOL, shape: [] });
  const carried = body.addInput('carried', float);
  const y = make(body, carried);
  const again = body.emit('Identity', [on])[0]!;
  body.outputs.push(again, y);
  const count = m.graph.addInitializer('count', i64([3], []));
  const yes = m.graph.addInitializer('yes', bool(true));
  return m.graph.emit('Loop', [count, yes, x], { attributes: [['body', { kind: 'graph', value: body }]] })[0]!;
}

const call = (g: Graph, name: string, x: Value): Value => g.emit(name, [x], { domain: 'own' })[0]!;
const noise = (m: Model): void =>
  addFunction(m, 'Noise', [
    { op: 'RandomNormalLike', inputs: ['v'], output: 'n' },
    { op: 'Add', inputs: ['v', 'n'], output: 'w' },
  ]);

describe('a random operator', () => {
  const cases: [string, (m: Model, x: Value) => Value][] = [
    ['in a branch', (m, x) => either(m, x, (g) => g.emit('RandomUniformLike', [x])[0]!)],
    ['in a loop', (m, x) => loop(m, x, (g, c) => g.emit('Bernoulli', [c])[0]!)],
    [
      'Dropout in a branch, told to train by the graph around it',
      (m, x) => {
        const training = m.graph.addInitializer('training', bool(true));
        return either(m, x, (g) => g.emit('Dropout', [x, null, training])[0]!);
      },
    ],
    ['in a function', (m, x) => (noise(m), call(m.graph, 'Noise', x))],
    [
      'in a function that a function calls',
      (m, x) => {
        noise(m);
        addFunction(m, 'Outer', [{ op: 'Noise', domain: 'own', inputs: ['v'], output: 'w' }]);
        return call(m.graph, 'Outer', x);
      },
    ],
    ['in a function that a branch calls', (m, x) => (noise(m), either(m, x, (g) => call(g, 'Noise', x)))],
    ['in a function that a loop calls', (m, x) => (noise(m), loop(m, x, (g, c) => call(g, 'Noise', c)))],
  ];
  it.each(cases)('%s is noted, and only what it reaches', async (_, make) => {
    const m = model(make);
    expect([...(await randomOutputsOf(m)).names]).toEqual(['out']);
    expect(await randomNotes(m)).toEqual([expect.stringContaining('draws out again')]);
  });

  it('is not seen where nothing is drawn', async () => {
    const still = model((m, x) => {
      const training = m.graph.addInitializer('training', bool(false));
      addFunction(m, 'Still', [{ op: 'Relu', inputs: ['v'], output: 'w' }]);
      return call(
        m.graph,
        'Still',
        either(m, x, (g) => g.emit('Dropout', [x, null, training])[0]!),
      );
    });
    expect(await randomNotes(still)).toEqual([]);
    // In training mode, but with a drop ratio of zero.
    const none = model((m, x) => {
      const [ratio, training] = [
        m.graph.addInitializer('ratio', f32([0], [])),
        m.graph.addInitializer('training', bool(true)),
      ];
      return m.graph.emit('Dropout', [x, ratio, training])[0]!;
    });
    expect(await randomNotes(none)).toEqual([]);
    // A function that is never called draws nothing.
    const unused = model((m, x) => (noise(m), m.graph.emit('Neg', [x])[0]!));
    expect(await randomNotes(unused)).toEqual([]);
  });
});
