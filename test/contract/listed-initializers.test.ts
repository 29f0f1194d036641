/**
 * Models whose initializers are also graph inputs are pruned like all others, for every IR version.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import { verifyModel } from '../../src/main/engine/ir/verify.ts';
import { runPasses, unlistInitializers } from '../../src/main/engine/passes/index.ts';
import { applyPlan } from '../../src/main/engine/structures/apply.ts';
import { declareAs } from '../../src/main/pipeline/prepare/free-batch.ts';
import { openModelFile, saveModelFile } from '../../src/main/storage/model-files.ts';
import { oracle, prepare, randomPlan } from '../support/prune.ts';
import { Net } from '../support/topologies.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'secateur-listed-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** @param which selects by index the initializers that become inputs */
function listed(irVersion: number, which: (i: number) => boolean): Model {
  const n = new Net(11);
  const scale = n.model.graph.addInitializer('scale', f32([2], [1]));
  const x = n.relu(n.conv(n.relu(n.conv(n.input('N', 3, 6, 6), 3, 8)), 8, 6));
  const model = n.out(n.head(n.op('Mul', [x, scale]), 6));
  model.irVersion = irVersion;
  [...model.graph.initializers].forEach((v, i) => which(i) && model.graph.inputs.push(v));
  return model;
}

function reopened(model: Model): Model {
  const path = join(dir, 'm.onnx');
  saveModelFile(model, path);
  return openModelFile(path);
}

describe('initializers among the inputs', () => {
  it.each([3, 1])('are no inputs any more in a model of IR version %i, and the cut is right', async (version) => {
    const model = reopened(listed(version, () => true));
    expect(model.irVersion).toBe(4);
    expect(model.fileIrVersion).toBe(version);
    const p = await prepare(model);
    expect(p.analysis.groups.map((g) => g.units)).toEqual([8, 6]);
    const { error, effect, pruned } = await oracle(p, randomPlan(p, 1, 0.5));
    expect(error).toBeLessThan(1e-4);
    expect(effect).toBeGreaterThan(0);
    expect(pruned.graph.inputs.map((v) => v.name)).toEqual(['x']);
  });

  it('leave them where all are listed by habit', async () => {
    const model = listed(8, () => true);
    expect(runPasses(model, [unlistInitializers], { verify: true }).modified).toBe(true);
    const p = await prepare(model);
    expect((await oracle(p, randomPlan(p, 1, 0.5))).error).toBeLessThan(1e-4);
    expect(p.model.graph.inputs.map((v) => v.name)).toEqual(['x']);
  });

  it('stay where some are, declared as they were cut', async () => {
    // The scale and the weights of the first convolution.
    const model = listed(8, (i) => i < 2);
    expect(runPasses(model, [unlistInitializers]).modified).toBe(false);
    const p = await prepare(model);
    const plan = randomPlan(p, 1, 0.5);
    expect((await oracle(p, plan)).error).toBeLessThan(1e-4);
    const { model: pruned } = applyPlan(p, plan);
    declareAs(pruned, model);
    verifyModel(pruned);
    const reread = reopened(pruned);
    expect(reread.graph.inputs.map((v) => v.type?.shape?.[0])).toEqual(['N', 1, 4]);
  });
});
