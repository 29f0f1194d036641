import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { operatorKeys } from '../../src/main/engine/ops/registry.ts';
import { sourceFiles } from '../support/files.ts';
import { ALLOWED, OPERATORS, operatorLists } from './operator-names.ts';

/** Operators without a file of their own. */
const OTHERS = [
  'MatMulNBits', 'DeformConv', 'LpPool', 'GlobalLpPool',
  'MaxUnpool', 'MaxRoiPool', 'MoE', 'QMoE', 'FusedConv', 'FusedGemm', 'BiasGelu', 'FastGelu', 'QuickGelu',
  'EmbedLayerNormalization', 'MeanVarianceNormalization', 'BitShift', 'Det', 'DFT', 'STFT', 'StringNormalizer', 'Tan',
]; // prettier-ignore
const NAMES = new Set([...OTHERS, ...[...operatorKeys()].map((key) => key.split('::').at(-1)!)]);

const PATH = 'src/main/engine/somewhere.ts';
const found = (source: string, path = PATH) => operatorLists(path, source, NAMES);

describe('lists of operator names', () => {
  const files = sourceFiles('src/main', ['.ts']).filter((f) => !f.endsWith('.test.ts'));
  const all = files.flatMap((f) => found(readFileSync(f, 'utf8'), f));

  it('stand in the folder of operators alone', () => {
    expect(files.length).toBeGreaterThan(300);
    expect(all.filter((l) => !(l.place in ALLOWED)).map((l) => l.fault)).toEqual([]);
  });

  it('have no exception that is not needed', () => {
    const places = new Set(all.map((l) => l.place));
    expect(Object.keys(ALLOWED).filter((place) => !places.has(place))).toEqual([]);
  });

  // Canaries: lists that the check must refuse. Without them, a checker that finds nothing would
  // pass.
  it.each([
    ['an array', `const LINEAR = ['Conv', 'Gemm'];`],
    ['a set', `const LINEAR = new Set(['Conv', 'ConvTranspose']);`],
    ['an array of constants', `const MOVES = ['Reshape', 'Transpose'] as const;`],
    ['a set of operators without a file', `const WHOLE = new Set(['MatMulNBits', 'DeformConv']);`],
    ['a map', `const AXIS = new Map([['Conv', 1], ['MatMul', -1]]);`],
    ['a map of constants', `const AXIS = new Map([['Conv', 1] as const, ['MatMul', -1] as const]);`],
    ['an object', `const AXIS = { Conv: 1, MatMul: -1 };`],
    ['an object with quoted keys', `const AXIS: Record<string, number> = { 'Conv': 1, "MatMul": -1 };`],
    ['methods', `const rules = { Conv() { return 1; }, MatMul() { return 2; } };`],
    ['a switch', `switch (node.key) { case 'Conv': case 'Gemm': return 1; default: return 0; }`],
    ['a chain of comparisons', `const f = (n) => n.key === 'Relu' || n.key === 'Clip';`],
    ['a chain that is negated', `if (node.key !== 'Loop' && node.key !== 'Scan') throw 0;`],
    ['comparisons one after another', `function f(n) { if (n.opType === 'Conv') return 1; return n.opType === 'Gemm' ? 2 : 3; }`],
    ['comparisons of what may be absent', `const f = (n) => n?.key === 'Relu' || n!.key === 'Clip';`],
    ['comparisons the other way round', `const f = (n) => 'Relu' === n.key || 'Clip' === n.key;`],
    ['a pattern', `const HEAVY = /^(Conv|Gemm)$/;`],
    ['a string that is split', `const WAVES = 'Sin Cos Atan'.split(' ');`],
  ])('are refused: %s', (_name, source) => expect(found(source)).toHaveLength(1)); // prettier-ignore

  // Similar code that is not a list of operators.
  it.each([
    ['one operator', `const isConstant = (n) => n.key === 'Constant';`],
    ['one operator, twice', `const f = (n, m) => n.key === 'Relu' || m.key === 'Relu';`],
    ['a pattern of operators', `const shuffle = (a, b) => a.key === 'Reshape' && b.key === 'Transpose';`],
    ['two functions about one operator each', `const f = (n) => n.key === 'Conv'; const g = (n) => n.key === 'Gemm';`],
    ['graphs that are emitted', `const y = [one('Conv', [x, w]), one('ReduceMean', [b.op('Sigmoid', [y])])];`],
    ['attributes of other names', `const o = { size: 'Size', log: 'Log' };`],
    ['a sentence', `throw new Error('Add a Conv, then try again');`],
    ['a pattern of other names', `const PICTURE = /height|width|rows/;`],
    ['traits', `if (traitsOf(node).linear) count++;`],
  ])('are told from: %s', (_name, source) => expect(found(source)).toEqual([])); // prettier-ignore

  it('may stand in the folder of operators', () => {
    expect(found(`export const SMOOTH = ['Sin', 'Cos'];`, `${OPERATORS}trigonometry.ts`)).toEqual([]);
  });
});
