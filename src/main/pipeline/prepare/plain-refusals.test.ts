/** Models that open but cannot be compressed, models with random numbers, and full disks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { smallModel } from '../../../../test/support/bundle.ts';
import { SecateurError } from '../../../shared/contract/errors.ts';
import { int, ints } from '../../engine/ir/attribute.ts';
import { randomOutputs } from '../../engine/ir/dependence.ts';
import { DType } from '../../engine/ir/dtype.ts';
import { Model } from '../../engine/ir/model.ts';
import { Node } from '../../engine/ir/node.ts';
import { Value } from '../../engine/ir/value.ts';
import { EncodedTensor } from '../../engine/onnx/encoded-tensor.ts';
import { createExecutor } from '../../runtime/executor.ts';
import { writingTo } from '../../storage/disk-full.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { makeGolden, replayGolden } from '../pack/golden.ts';
import { loadWithHash } from './load.ts';
import { randomNotes } from './random-notes.ts';

const dir = mkdtempSync(join(tmpdir(), 'secateur-plain-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const float = (shape: (number | string)[]) => ({ elemType: DType.FLOAT, shape });
/** sequence(map(int64, float32)), the output type of exported classifiers. */
const MAPS = Uint8Array.of(0x22, 10, 0x0a, 8, 0x2a, 6, 0x08, 7, 0x12, 2, 0x0a, 0);

function noise(): Model {
  const model = smallModel();
  const y = model.graph.outputs[0]!;
  const [drawn, sum] = [new Value('drawn'), new Value('sum', float(['n', 10]))];
  model.graph.append(new Node('RandomNormalLike', [y], [drawn], { name: 'noise' }));
  model.graph.append(new Node('Add', [y, drawn], [sum], { name: 'add' }));
  model.graph.outputs.push(sum);
  return model;
}

it('refuses models without inputs and outputs that are no tensors, by name', async () => {
  const none = new Model();
  none.opsets.set('', 17);
  const drawn = new Value('drawn', float([2]));
  none.graph.append(new Node('RandomNormal', [], [drawn], { attributes: [['shape', ints([2])]] }));
  none.graph.outputs.push(drawn);
  saveModelFile(none, join(dir, 'none.onnx'));
  await expect(loadWithHash(join(dir, 'none.onnx'))).rejects.toMatchObject({ code: 'model-no-inputs' });
  await expect(loadWithHash(join(dir, 'none.onnx'), { withoutInputs: true })).resolves.toBeDefined();

  const maps = smallModel();
  maps.graph.outputs[0]!.type = { elemType: 0, raw: MAPS };
  saveModelFile(maps, join(dir, 'maps.onnx'));
  await expect(loadWithHash(join(dir, 'maps.onnx'))).rejects.toMatchObject({
    code: 'output-not-tensor',
    detail: { output: maps.graph.outputs[0]!.name, type: expect.stringMatching(/^sequence\(map\(int64, /) as string },
  });
});

it('refuses a model whose weights were left out, and names the first of them', async () => {
  const model = smallModel();
  const w = [...model.graph.initializers].find((v) => v.initializer!.dims.length > 1)!;
  const { dtype, dims } = w.initializer!;
  const data = { kind: 'missing' } as const;
  w.initializer = new EncodedTensor({ dtype, dims, byteLength: 0, data, name: w.name, docString: '', extra: null });
  saveModelFile(model, join(dir, 'bare.onnx'));
  await expect(loadWithHash(join(dir, 'bare.onnx'))).rejects.toMatchObject({
    code: 'weights-missing',
    detail: { tensor: w.name, count: 1 },
  });
});

it('refuses inputs whose elements cannot be given to the runtime, by name and type', async () => {
  const text = smallModel();
  const input = text.graph.inputs[0]!;
  input.type = { elemType: DType.STRING, shape: input.type!.shape! };
  saveModelFile(text, join(dir, 'text.onnx'));
  await expect(loadWithHash(join(dir, 'text.onnx'))).rejects.toMatchObject({
    code: 'input-type',
    detail: { input: input.name, type: 'string' },
  });
});

it('knows which outputs are drawn, and Dropout only in training mode', async () => {
  const model = noise();
  expect([...randomOutputs(model).names]).toEqual(['sum']);
  expect((await randomNotes(model))[0]).toContain('random');
  expect(await randomNotes(smallModel())).toEqual([]);
  const dropped = smallModel();
  const training = dropped.graph.addInput('training', { elemType: DType.BOOL, shape: [] });
  const y = new Value('dropped', float(['n', 10]));
  dropped.graph.append(new Node('Dropout', [dropped.graph.outputs[0]!, null, training], [y]));
  dropped.graph.outputs.push(y);
  expect([...randomOutputs(dropped).names]).toEqual(['dropped']);
  // The shape of a random tensor is not random.
  const shape = new Value('shape', { elemType: DType.INT64, shape: [2] });
  model.graph.append(new Node('Shape', [model.graph.outputs[1]!], [shape], { attributes: [['start', int(0)]] }));
  model.graph.outputs.push(shape);
  expect([...randomOutputs(model).names]).toEqual(['sum']);
});

it('marks golden outputs that are drawn, compares the others, and believes no false mark', async () => {
  const model = noise();
  const random = randomOutputs(model);
  const session = await createExecutor().open(model);
  try {
    const x = { dtype: DType.FLOAT, dims: [1, 3, 8, 8], data: new Float32Array(192).fill(0.5) };
    const { spec, files } = await makeGolden(session, [{ x }], 'seeded', 1, { random });
    expect(spec).toMatchObject({ random: true, randomOutputs: ['sum'] });
    const read = (file: string) => Promise.resolve(files.get(file)!);
    expect((await replayGolden(session, spec, read)).ok).toBe(false);
    const replay = await replayGolden(session, spec, read, random);
    expect(replay).toMatchObject({ ok: true, detail: expect.stringContaining('random') as string });
    expect(replay.detail).toContain('largest difference');
    const lie = { ...spec, randomOutputs: ['sum', 'gemm'] };
    expect((await replayGolden(session, lie, read, random)).ok).toBe(false);
  } finally {
    await session.release();
  }
});

it.each(['ENOSPC', 'EDQUOT', 'SQLITE_FULL'])('says that the disk is full for %s', async (code) => {
  const e = Object.assign(new Error(`${code}: write`), { code });
  expect(SecateurError.from(e).code).toBe('disk-full');
  expect(SecateurError.from(new Error('while saving', { cause: e })).code).toBe('disk-full');
  const thrown = await writingTo('/out', () => Promise.reject(e)).catch((x: unknown) => x);
  expect(thrown).toMatchObject({ code: 'disk-full', detail: { path: '/out' } });
  // A folder named closer to the write is kept.
  await expect(writingTo('/other', () => Promise.reject(thrown as Error))).rejects.toMatchObject({
    detail: { path: '/out' },
  });
});
