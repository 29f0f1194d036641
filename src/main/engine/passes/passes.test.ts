import { describe, expect, it } from 'vitest';
import { random } from '../../../../test/support/example-model.ts';
import { attribute, info, model as encoded, msg, node, text } from '../../../../test/support/exotic-model.ts';
import { smallNetwork } from '../../../../test/support/small-network.ts';
import { cloneModel } from '../ir/clone.ts';
import { DType, Graph, Model, Node, Value, i64, int } from '../ir/index.ts';
import { verifyModel } from '../ir/verify.ts';
import { readModel, serializeModel } from '../onnx/index.ts';
import {
  constantsToInitializers,
  eliminateDead,
  eliminateIdentity,
  extractSubgraph,
  foldBatchNorm,
  raiseOpset,
  runPasses,
} from './index.ts';

const types = (g: Graph): string[] => [...g.nodes()].map((n) => n.opType);
const verify = { verify: true };

describe('passes (what they compute is held against the runtime in test/contract)', () => {
  it('fold-batch-norm folds after Conv, ConvTranspose and Gemm, and leaves a shared weight to the others', () => {
    const m = smallNetwork(random(1));
    const shared = m.graph.findValue('shared')!.initializer!;
    const before = shared.bytes().slice();
    expect(runPasses(m, [foldBatchNorm], verify).modified).toBe(true);
    expect(types(m.graph)).not.toContain('BatchNormalization');
    expect(shared.bytes()).toEqual(before);
    const [one, two] = [...m.graph.nodes()].filter((n) => n.opType === 'Conv').map((n) => n.input(1)!);
    expect(one).not.toBe(two);
    expect(m.graph.outputs.map((v) => v.name)).toEqual(['y', 'z']);
    expect(runPasses(m, [foldBatchNorm], verify).modified).toBe(false);
  });

  it('raise-opset takes models whose operators mean the same, and no others', () => {
    const m = smallNetwork(random(1));
    const raised = (at: number, change: (g: Graph) => void = () => {}): number => {
      const { model } = cloneModel(m);
      model.opsets.set('', at);
      change(model.graph);
      runPasses(model, [raiseOpset], verify);
      return model.opset;
    };
    expect(raised(13)).toBe(15);
    expect(raised(9)).toBe(15);
    expect(raised(17)).toBe(17);
    const more = (opType: string) => (g: Graph) => void g.emit(opType, [g.inputs[0]!]);
    expect(raised(13, more('Softmax'))).toBe(15);
    expect(raised(12, more('Softmax'))).toBe(12);
    expect(raised(10, more('Clip'))).toBe(10);
    expect(raised(11, more('Clip'))).toBe(15);
    // Batch statistics that are already requested have another form before 14.
    expect(raised(13, (g) => void [...g.nodes()].find((n) => n.name === 'bn1')!.attributes.set('training_mode', { kind: 'int', value: 1n }))).toBe(13); // prettier-ignore
  });

  it('fold-batch-norm keeps what others read, give out or train', () => {
    const spoil: ((m: ReturnType<typeof smallNetwork>, bn: Node) => void)[] = [
      (m, bn) => void m.graph.outputs.push(m.graph.emit('Neg', [bn.input(0)])[0]!),
      (m, bn) => void m.graph.outputs.push(bn.input(0)!),
      (_, bn) => void bn.attributes.set('training_mode', { kind: 'int', value: 1n }),
      (m, bn) => void m.graph.inputs.push(bn.input(1)!),
    ];
    for (const change of spoil) {
      const m = smallNetwork(random(1));
      const bn = [...m.graph.nodes()].find((n) => n.name === 'bn1')!;
      change(m, bn);
      runPasses(m, [foldBatchNorm], verify);
      expect(bn.graph).toBe(m.graph);
    }
  });

  it('eliminate-dead removes chains, initializers and what only dead subgraphs read', () => {
    const inner = [node('Neg', ['a'], ['i']), text(2, 's'), info(12, 'i')].flat();
    const m = readModel(
      encoded(
        node('Relu', ['x'], ['y']),
        node('Relu', ['x'], ['a']),
        node(
          'If',
          ['c'],
          ['dead'],
          attribute('then_branch', 5, msg(6, inner)),
          attribute('else_branch', 5, msg(6, inner)),
        ),
        info(11, 'x'),
        info(11, 'c', 9),
        info(12, 'y'),
      ),
    );
    m.graph.addInitializer('unused', i64([1]));
    expect(runPasses(m, [eliminateDead], verify).modified).toBe(true);
    expect(types(m.graph)).toEqual(['Relu']);
    expect(m.graph.initializers.size).toBe(0);
    expect(m.graph.inputs.map((v) => v.name)).toEqual(['x', 'c']);
    expect(runPasses(m, [eliminateDead], verify).modified).toBe(false);
  });

  it('eliminate-dead keeps what a living subgraph reads or gives out', () => {
    const reads = [node('Neg', ['a'], ['i']), text(2, 's'), info(12, 'i')].flat();
    const gives = [text(2, 's'), info(12, 'b')].flat();
    const m = readModel(
      encoded(
        node('Relu', ['x'], ['a']),
        node('Neg', ['x'], ['b']),
        node(
          'If',
          ['c'],
          ['y'],
          attribute('then_branch', 5, msg(6, reads)),
          attribute('else_branch', 5, msg(6, gives)),
        ),
        info(11, 'x'),
        info(11, 'c', 9),
        info(12, 'y'),
      ),
    );
    expect(runPasses(m, [eliminateDead], verify).modified).toBe(false);
    expect(m.graph.nodeCount).toBe(3);
  });

  it('eliminate-identity keeps names of outputs, and a copy of an input', () => {
    const m = smallNetwork(random(1));
    m.graph.outputs.push(m.graph.emit('Identity', [m.graph.inputs[0]!], { outputName: 'same' })[0]!);
    runPasses(m, [eliminateIdentity], verify);
    expect(types(m.graph).filter((t) => t === 'Identity' || t === 'Dropout')).toEqual(['Identity']);
    expect(m.graph.outputs.map((v) => v.name)).toEqual(['y', 'z', 'same']);
  });

  it('eliminate-identity keeps Dropout whose mask is read or whose mode is fed', () => {
    const m = smallNetwork(random(1));
    const x = m.graph.inputs[0]!;
    const [, mask] = m.graph.emit('Dropout', [x], { outputs: 2 });
    const fed = m.graph.addInput('training', { elemType: DType.BOOL, shape: [] });
    const [other] = m.graph.emit('Dropout', [x, null, fed]);
    m.graph.outputs.push(mask!, other!);
    const before = m.graph.nodeCount;
    runPasses(m, [eliminateIdentity], verify);
    expect(before - m.graph.nodeCount).toBe(3);
  });

  it('constants-to-initializers converts and saves', () => {
    const m = smallNetwork(random(1));
    runPasses(m, [constantsToInitializers], verify);
    expect(types(m.graph)).not.toContain('Constant');
    expect(readModel(serializeModel(m)).graph.initializers.size).toBe(m.graph.initializers.size);
  });
});

describe('extractSubgraph', () => {
  it('takes the part between, with tensors shared and the model untouched', () => {
    const m = smallNetwork(random(1));
    const bytes = serializeModel(m);
    const cut = [...m.graph.nodes()].find((n) => n.opType === 'Add')!.output();
    const part = extractSubgraph(m, [cut], [m.graph.outputs[1]!]);
    verifyModel(part);
    // Everything starts at x, which is not among the inputs.
    expect(() => extractSubgraph(m, [], [m.graph.outputs[1]!])).toThrow(
      expect.objectContaining({ code: 'model-invalid' }),
    );
    expect(part.graph.inputs.map((v) => v.name)).toEqual([cut.name]);
    expect(serializeModel(m)).toEqual(bytes);
  });

  it('names every output of a node whose other outputs are given', () => {
    const m = new Model(new Graph());
    m.opsets.set('', 17);
    const g = m.graph;
    const x = g.addInput('x', { elemType: DType.FLOAT, shape: [1, 4] });
    const [a, b] = g.emit('Split', [x], { attributes: [['axis', int(1)]], outputs: 2, outputName: 'part' });
    // Occupies the name that the copy would get first.
    const again = g.emit('Neg', [b!], { outputName: `${a!.name}_again` })[0]!;
    g.outputs.push(g.emit('Add', [a!, again], { outputName: 'y' })[0]!);
    const part = extractSubgraph(m, [x, a!], [g.outputs[0]!]);
    verifyModel(part);
    for (const n of part.graph.nodes()) for (const o of n.outputs) expect(o.name).not.toBe('');
    expect(part.graph.inputs.map((v) => v.name)).toEqual(['x', a!.name]);
  });
});

describe('cloneModel', () => {
  it('maps every value and node, and shares nothing that can change', () => {
    const m = smallNetwork(random(1));
    const { model, values, nodes } = cloneModel(m);
    verifyModel(model);
    expect(serializeModel(model)).toEqual(serializeModel(m));
    for (const v of m.graph.values()) expect(values.get(v)!.name).toBe(v.name);
    for (const n of m.graph.nodes()) expect(nodes.get(n)!.graph).toBe(model.graph);
    runPasses(model, [foldBatchNorm, eliminateDead], verify);
    verifyModel(m);
    expect(types(m.graph)).toContain('BatchNormalization');
  });
});

describe('verifyModel', () => {
  const broken: [string, (g: Graph) => void][] = [
    ['two values of one name', (g) => void (g.lastNode!.output().name = 'x')],
    [
      'a node before what it reads',
      (g) => {
        const n = g.firstNode!;
        const moved = new Node('Neg', [g.outputs[0]!], [new Value('early')]);
        g.insertBefore(n, moved);
      },
    ],
    ['an output nothing makes', (g) => void g.outputs.push(new Value('nowhere'))],
    ['a use that is not one', (g) => g.inputs[0]!.addUse(g.lastNode!, 7)],
    ['a use that is missing', (g) => g.inputs[0]!.removeUse(g.firstNode!, 0)],
    ['an input from a removed node', (g) => g.remove(g.firstNode!, true)],
    ['a false producer', (g) => void (g.firstNode!.output().producer = g.lastNode)],
    [
      'data that does not fit',
      (g) => {
        const v = [...g.initializers][0]!;
        v.initializer = {
          ...i64([1]),
          dims: [2],
          dtype: 7,
          byteLength: 8,
          bytes: () => new Uint8Array(8),
          chunks: () => [],
        };
      },
    ],
    [
      'an output of a Split that has no name',
      (g) => {
        const parts = g.emit('Split', [g.outputs[0]!], { attributes: [['axis', int(-1)]], outputs: 2 });
        parts[1]!.name = '';
      },
    ],
    ['a broken list', (g) => void (g.lastNode!.prev!.next = g.firstNode)],
  ];
  it.each(broken)('finds %s', (_, spoil) => {
    const m = smallNetwork(random(1));
    verifyModel(m);
    spoil(m.graph);
    expect(() => verifyModel(m)).toThrow(expect.objectContaining({ code: 'model-invalid' }));
  });
});
