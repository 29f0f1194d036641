/**
 * Mismatched inputs are reported before any work: labels and classes, a job and its model, pointers
 * and files.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { casePath } from '../../../test/support/assets.ts';
import { residualChain } from '../../../test/support/residual-chain.ts';
import type { Figures } from '../../shared/model/figures.ts';
import type { Model } from '../engine/ir/model.ts';
import { openModelFile } from '../storage/model-files.ts';
import type { Dataset } from '../data/dataset.ts';
import type { HostTensor } from '../engine/executor.ts';
import { DType } from '../engine/ir/dtype.ts';
import { f32 } from '../engine/ir/tensor.ts';
import { classesIn } from '../engine/quality/meaning.ts';
import { randomTensor } from '../runtime/random-inputs.ts';
import { plainExecutor } from '../../../test/support/executor.ts';
import { readOutputs } from '../pipeline/prepare/readings.ts';
import { Memo } from '../storage/memo.ts';
import { classOutput, requireLabelsWithin } from '../pipeline/prepare/class-labels.ts';
import { openModelData } from '../pipeline/prepare/model-data.ts';
import { requireSameModel } from '../pipeline/prepare/same-model.ts';

let dir = '';
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'secateur-wrong-'))));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A classifier with a different output name and width. */
function classifier(name: string, classes: number | string, more: (number | string)[] = []): Model {
  const model = residualChain({ blocks: 1 });
  const output = model.graph.outputs[0]!;
  output.name = name;
  output.type = { ...output.type!, shape: ['batch', classes, ...more] };
  return model;
}
const dataset = (...labels: number[]) => ({ labels: Int32Array.from(labels), name: (i: number) => `row ${i}` });

describe('labels outside the classes', () => {
  it.each([
    [[0, 5, 6, 9], /row 2 has the label 6, and the output \S+ has 6 classes \(0 to 5\); 2 of 4/],
    [[0, -1], /row 1 has the label -1/],
  ])('%j', (labels, text) => {
    expect(() => requireLabelsWithin(dataset(...labels), classifier('98', 6), { path: 'l.npy' })).toThrow(text);
  });

  it('are no matter where they fit, or where the output is not one of classes', () => {
    requireLabelsWithin(dataset(0, 5), classifier('98', 6), { path: 'l.npy' });
    expect(classOutput(classifier('embedding', 6))).toBeNull();
    expect(classOutput(classifier('embedding', 6), { embedding: 'classes' })).toEqual({
      name: 'embedding',
      classes: 6,
    });
    expect(classOutput(classifier('98', 6), { 98: 'numbers' })).toBeNull();
    expect(classOutput(classifier('logits', 'classes'))).toBeNull();
    expect(classOutput(classifier('logits', 6, [32, 32]))).toBeNull();
    expect(classOutput(classifier('logits', 6, [1, 1]))?.classes).toBe(6);
  });
});

describe('labels of a model with several rows of numbers', () => {
  /** x [N, 3, 8, 8] -> 98 [N, 6], 42 [N, 12]; nothing determines which output holds the classes. */
  function twoRows(): Model {
    const model = residualChain({ blocks: 1 });
    const { graph } = model;
    const from = graph.outputs[0]!.producer!.input(0)!;
    graph.outputs.splice(0);
    for (const [name, width] of [
      ['98', 6],
      ['42', 12],
    ] as const) {
      const w = graph.addInitializer(`w${name}`, f32(Float32Array.from({ length: 8 * width }, (_, i) => Math.sin(i * i)), [8, width])); // prettier-ignore
      const y = graph.emit('MatMul', [from, w], { outputName: name })[0]!;
      y.type = { elemType: DType.FLOAT, shape: ['N', width] };
      graph.outputs.push(y);
    }
    return model;
  }
  const batch = (): HostTensor => randomTensor(DType.FLOAT, [1, 3, 8, 8], 1);
  const given = (...labels: number[]): Dataset =>
    ({
      ...dataset(...labels),
      length: labels.length,
      classNames: null,
      main: 'x',
      batch: () => Promise.resolve({ x: batch() }),
    }) as unknown as Dataset;
  const read = (...labels: number[]) => readOutputs(twoRows(), { dataset: given(...labels) }, plainExecutor);

  it('are compared with the one that they fit', async () => {
    expect(classesIn(await read(0, 5, 3))).toBe('98');
    expect(classesIn(await read(0, 11, 3))).toBe('42');
  });

  it('are refused where none has such a class', async () => {
    requireLabelsWithin(dataset(0, 11), twoRows(), { path: 'l.npy' });
    await expect(read(0, 12, 3)).rejects.toMatchObject({
      code: 'data-labels',
      message: expect.stringMatching(
        /row 1 has the label 12, and the output 42 has 12 classes.*--output 42=/,
      ) as string,
    });
  });
});

describe('a model that is resumed with', () => {
  it('must be the one that the job began with, in every later process', () => {
    const at = (job: string) => ({ job, memo: (name: string, key: unknown): Figures => new Memo(dir, name, key) });
    const [a, b] = [`${'0a'.repeat(32)}`, `${'0b'.repeat(32)}`];
    requireSameModel({ path: '/m.onnx', sha256: a }, at('one'));
    requireSameModel({ path: '/m.onnx', sha256: a }, at('one'));
    requireSameModel({ path: '/m.onnx', sha256: b }, at('two'));
    expect(() => requireSameModel({ path: '/m.onnx', sha256: b }, at('one'))).toThrow(/0a0a0a0a0a0a.*0b0b0b0b0b0b/);
    requireSameModel({ path: '/m.onnx', sha256: a }, at('one'));
  });
});

describe('a Git LFS pointer', () => {
  it('in place of a model is named as one', () => {
    const path = join(dir, 'm.onnx');
    writeFileSync(path, 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n');
    expect(() => openModelFile(path)).toThrow(/m\.onnx is a Git LFS pointer/);
  });
});

const [model, data] = [casePath('03_one_channel.onnx'), casePath('inf.npz')];
describe.skipIf(!model || !data)('real data with infinity (skipped without the shared cases)', () => {
  it('are refused by the name of the sample', async () => {
    const memo = (name: string, key: unknown): Figures => new Memo(dir, name, key);
    await expect(openModelData(openModelFile(model!), model!, { data: data! }, { memo })).rejects.toMatchObject({
      code: 'data-not-finite',
      message: expect.stringMatching(/row \d+ holds -?infinity/) as string,
    });
  });
});
