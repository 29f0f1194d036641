import { describe, expect, it } from 'vitest';
import type { OutputReading } from '../../../../shared/model/job.ts';
import { DType } from '../../ir/dtype.ts';
import { Graph } from '../../ir/graph.ts';
import { Model } from '../../ir/model.ts';
import { f32 } from '../../ir/tensor.ts';
import { classesIn, outputMeanings } from '../../quality/meaning.ts';

type End = 'Gemm' | 'Softmax' | 'LpNormalization' | 'Sigmoid';

/** Rows of numbers of these widths, by output name. */
function read(
  outputs: readonly [name: string, width: number, end?: End][],
  largestLabel: number,
  given?: Readonly<Record<string, OutputReading>>,
) {
  const graph = new Graph();
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 3, 8, 8] });
  for (const [name, , end = 'Gemm'] of outputs) {
    const y = graph.emit('Gemm', [x, graph.addInitializer(`w.${name}`, f32([1], [1, 1]))])[0]!;
    const z = end === 'Gemm' ? y : graph.emit(end, [y])[0]!;
    z.name = name;
    graph.outputs.push(z);
  }
  const widths = new Map(outputs.map(([name, width]) => [name, width]));
  return outputMeanings(new Model(graph), {
    shapeOf: (name) => ({ dims: [1, widths.get(name)!], dtype: DType.FLOAT }),
    inputs: [{ name: 'x', dims: [1, 3, 8, 8] }],
    largestLabel,
    ...(given && { given }),
  });
}

describe('the output that labels are compared with', () => {
  const cases: [string, Parameters<typeof read>[0], number, string | undefined][] = [
    ['the one whose width fits, wherever it stands', [['42', 12], ['98', 6]], 5, '98'],
    ['the narrowest that holds them', [['a', 12], ['b', 6], ['c', 4]], 4, 'b'],
    ['the wider one where the narrow one does not hold them', [['98', 6], ['42', 12]], 7, '42'],
    ['the one that ends in Softmax, not what fits better', [['a', 6], ['b', 12, 'Softmax']], 5, 'b'],
    ['the one that is named so', [['a', 6], ['logits', 12]], 5, 'logits'],
    ['never one of unit length', [['a', 6, 'LpNormalization'], ['b', 12]], 5, 'b'],
    ['not one named an embedding beside another', [['embedding', 6], ['b', 12]], 5, 'b'],
    ['the first of equals', [['a', 6], ['b', 6]], 5, 'a'],
    ['none where the only row is an embedding that labels do not fill', [['embedding', 64]], 5, undefined],
  ]; // prettier-ignore
  it.each(cases)('is %s', (_, outputs, largest, name) => {
    const meanings = read(outputs, largest);
    expect([...meanings.values()].filter((m) => m.labels).map((m) => m.name)).toEqual(name ? [name] : []);
    if (name) expect(classesIn(meanings)).toBe(name);
  });

  it('is said to be guessed where only its width speaks for it, and the others are not read as classes', () => {
    const meanings = read([['98', 6], ['42', 12]], 5); // prettier-ignore
    expect(meanings.get('98')).toMatchObject({ reading: 'classes', guessed: true, labels: true, axis: 1 });
    expect(meanings.get('98')!.why).toMatch(/labels up to 5 were given.*--output 98=embedding\|numbers/);
    expect(meanings.get('42')!.reading).toBe('numbers');
    expect(read([['a', 6], ['b', 12, 'Softmax']], 5).get('b')!.guessed).toBeUndefined(); // prettier-ignore
  });

  it('is the one that was set', () => {
    const set = read([['98', 6], ['42', 12]], 5, { 42: 'classes' }); // prettier-ignore
    expect(classesIn(set)).toBe('42');
    expect(set.get('98')!.labels).toBeUndefined();
    expect(classesIn(read([['98', 6], ['42', 12]], 5, { 98: 'numbers' }))).toBe('42'); // prettier-ignore
  });
});
