/**
 * Tests `secateur coverage` as a whole: files and folders in, one row per model out, even for
 * models that fail.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import { GraphBuilder } from '../../src/main/engine/autodiff/builder.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { randomFeeds } from '../../src/main/runtime/random-inputs.ts';
import { plainExecutor } from '../support/executor.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import type { CoverageRow } from '../../src/shared/model/tasks.ts';
import { ROOT } from '../support/files.ts';
import { residualChain } from '../support/residual-chain.ts';
import { zooPath } from '../support/assets.ts';
import { amplifySignals, fillZoo } from '../support/zoo.ts';
import { openModelFile, saveModelFile } from '../../src/main/storage/model-files.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'secateur-coverage-'));
  mkdirSync(join(folder, 'models/deep'), { recursive: true });
  writeFileSync(join(folder, 'models/chain.onnx'), serializeModel(residualChain({ blocks: 2, width: 32 })));
  writeFileSync(join(folder, 'models/deep/broken.onnx'), 'not a model');
  writeFileSync(join(folder, 'models/whole.onnx'), serializeModel(whole()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

/** One linear layer whose width is the output's. */
function whole(): Model {
  const model = new Model();
  model.opsets.set('', 17);
  const { graph } = model;
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', 4] });
  const [y] = graph.emit('MatMul', [x, graph.addInitializer('w', f32(new Float32Array(12).fill(0.5), [4, 3]))], {
    name: 'only',
  });
  y!.type = { elemType: DType.FLOAT };
  graph.outputs.push(y!);
  return model;
}

function coverage(...args: string[]): { code: number | null; out: string; err: string } {
  const r = spawnSync(process.execPath, [join(ROOT, 'bin/secateur.mjs'), 'coverage', ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, SECATEUR_HOME: join(folder, 'home') },
  });
  return { code: r.status, out: r.stdout, err: r.stderr };
}

it('prints one object per model, and a model that cannot be opened is a row', () => {
  const r = coverage('models', '--ratio', '0.5', '--json');
  expect(r.code, r.err).toBe(0);
  const rows = JSON.parse(r.out) as CoverageRow[];
  expect(rows.map((row) => row.name)).toEqual(['chain', 'deep/broken', 'whole']);
  const [chain, broken, none] = rows as [CoverageRow, CoverageRow, CoverageRow];
  expect(chain).toMatchObject({ ok: true, ratio: 0.5, groups: 3, problems: [] });
  expect(chain.maskError).toBeLessThan(1e-4);
  expect(chain.macsRatio).toBeLessThan(0.4);
  expect(chain.prunableShare).toBe(1);
  expect(chain.latencyRatio).toBeGreaterThan(0);
  expect(chain.frozen).toEqual([{ group: 'fc', operator: 'model output', reason: expect.stringContaining('y') }]);
  expect(broken).toMatchObject({ ok: false, maskError: null });
  expect(broken.problems.join()).toMatch(/model-not-protobuf|model-truncated/);
  expect(none).toMatchObject({ ok: false, groups: 0 });
  expect(none.problems).toContain('nothing can be pruned');
});

it('prints a table for people, and refuses what is not there or not a share', () => {
  const r = coverage('models/chain.onnx', 'models/whole.onnx');
  expect(r.out).toMatch(/chain\s+yes\s+3/);
  expect(r.out).toContain('1 of 2 models are right with 30% of every group removed');
  expect(r.out).toContain('whole: nothing can be pruned');
  expect(coverage('nothing-here').code).toBe(3);
  expect(coverage('models', '--ratio', '1.5').code).toBe(2);
});

/**
 * Entries of a map that exceed 0.2, plus a constant for each of them: the count is that of the
 * traced run.
 */
async function choosing(): Promise<Model> {
  const model = new Model();
  model.opsets.set('', 17);
  const { graph } = model;
  const b = new GraphBuilder(graph, 17);
  const random = seededRandom(3);
  const w = (dims: number[]) => {
    const data = Float32Array.from({ length: dims.reduce((p, d) => p * d, 1) }, () => random.normal() / 3);
    return graph.addInitializer(graph.freshName('w'), f32(data, dims));
  };
  const x = graph.addInput('x', { elemType: DType.FLOAT, shape: [1, 3, 10, 10] });
  const inner = b.relu(graph.emit('Conv', [x, w([16, 3, 3, 3])], { name: 'first' })[0]!);
  const map = b.reshape(graph.emit('Conv', [inner, w([1, 16, 1, 1])], { name: 'map' })[0]!, [64]);
  const chosen = b.op('NonZero', [b.greater(map, b.scalar(0.2))]);
  const taken = b.op('GatherND', [map, b.op('Transpose', [chosen])]);
  taken.type = { elemType: DType.FLOAT };
  graph.outputs.push(taken);
  const session = await plainExecutor.open(model);
  const count = (await session.run(randomFeeds(model, { batch: 1 })))[taken.name]!.dims[0]!;
  await session.release();
  expect(count).toBeGreaterThan(1);
  graph.outputs.length = 0;
  const y = b.add(taken, b.tensor(f32(new Float32Array(count).fill(1), [count])));
  y.type = { elemType: DType.FLOAT };
  graph.outputs.push(y);
  return model;
}

it('judges a model that runs only with its own choices with these, and says so', async () => {
  mkdirSync(join(folder, 'choosing'), { recursive: true });
  writeFileSync(join(folder, 'choosing/boxes.onnx'), serializeModel(await choosing()));
  const [row] = JSON.parse(coverage('choosing', '--ratio', '0.5', '--json').out) as [CoverageRow];
  expect(row, row.problems.join()).toMatchObject({ ok: true, groups: 1, problems: [] });
  expect(row.maskError).toBeLessThan(1e-4);
  expect(row.notes).toEqual([expect.stringContaining("with the original's choices")]);
  expect(coverage('choosing', '--ratio', '0.5').out).toContain('boxes selects by scores');
});

const zoo = zooPath('shufflenet_v2_x1_0.onnx');
it.skipIf(!zoo)('reports a model without weights, and prunes it once it is filled (needs ../shared/zoo)', async () => {
  const [bare] = JSON.parse(coverage(zoo!, '--json').out) as [CoverageRow];
  expect(bare).toMatchObject({ ok: false, name: 'shufflenet_v2_x1_0', maskError: null });
  expect(bare.problems.join()).toMatch(/no weights.*weights-missing/);

  const model = fillZoo(openModelFile(zoo!), 1);
  await amplifySignals(model);
  saveModelFile(model, join(folder, 'filled.onnx'));
  const [row] = JSON.parse(coverage('filled.onnx', '--json').out) as [CoverageRow];
  expect(row, row.problems.join()).toMatchObject({ ok: true, name: 'filled' });
  expect(row.macsRatio).toBeLessThan(0.75);
});
