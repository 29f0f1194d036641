/**
 * Tests the tasks that the window requests, on the built-in sample and on a tiny model, with the
 * real runtime and store.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCompressFixture, type CompressFixture } from '../../../test/support/compress-fixture.ts';
import { ROOT } from '../../../test/support/files.ts';
import { writeTwoInputs } from '../../../test/support/two-inputs.ts';
import { steadily } from '../../../test/support/steady-measure.ts';
import type { Candidate } from '../../shared/model/frames.ts';
import type { CompressRequest } from '../../shared/model/job.ts';
import { calibratedMs, unitMs } from '../../shared/model/latency-table.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import { encodeNpy } from '../data/npy.ts';
import { GraphBuilder } from '../engine/autodiff/builder.ts';
import { modelCosts } from '../engine/ir/costs.ts';
import { DType } from '../engine/ir/dtype.ts';
import { Model } from '../engine/ir/model.ts';
import { serializeModel } from '../engine/onnx/index.ts';
import { choiceOf } from '../engine/structures/choices.ts';
import { applyPlan } from '../engine/structures/apply.ts';
import type { TaskTable } from '../jobs/worker-side.ts';
import { collectFacts } from '../runtime/facts.ts';
import type { StageContext } from '../pipeline/context.ts';
import { runCompress } from '../pipeline/compress.ts';
import { runInspect } from './inspect.ts';
import { loadWithHash } from '../pipeline/prepare/load.ts';
import { prepare } from '../pipeline/prepare/prepare.ts';
import { openModelData } from '../pipeline/prepare/model-data.ts';
import { openModelFile } from '../storage/model-files.ts';
import { runPreview } from './preview.ts';
import { samplePredictions } from './sample-predictions.ts';
import { runProfile } from './profile.ts';
import { runReach } from './reach.ts';
import { openWorker } from './worker-resources.ts';
import { runReview } from './review.ts';
import { tasks } from './index.ts';

const sample = {
  model: join(ROOT, 'resources/samples/scenes-resnet.onnx'),
  data: join(ROOT, 'resources/samples/scenes-test.npz'),
};
const where = { threads: 1, batch: 1, provider: 'cpu' };
let folder: string;
let fixture: CompressFixture;
let ctx: StageContext;
const points: Candidate[] = [];
/** Stages that ran, by name. */
let ran: string[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secateur-window-'));
  fixture = writeCompressFixture(folder);
  const worker = await openWorker({ id: 'test', task: 'test', input: {}, home: join(folder, 'home') });
  ctx = steadily({
    ...worker.context,
    artifact: (stage, key, make) =>
      worker.context.artifact(stage, key, (dir, checkpoint) => (ran.push(stage), make(dir, checkpoint))),
    job: 'test',
    log: () => undefined,
    inSubprocess: (task, input) => (tasks as TaskTable)[task]!(input as never, ctx),
    point: (p) => void points.push(p),
    progress: () => undefined,
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

describe('a model of several inputs', () => {
  it('is shown by its picture and the values of its other inputs, before and after the cut', async () => {
    const { model: path, data } = await writeTwoInputs(folder, 8, 40);
    const p = await runPreview({ model: path, data }, ctx);
    expect(p).toMatchObject({ samples: 40, labelled: true, original: { top1: 1 } });
    expect(p.notes.join()).toContain('attention_mask out: it is filled with ones');
    expect(p.images[0]!.src).toMatch(/^data:image\/png;base64,/);
    expect(p.images[0]!.others).toMatch(/^ids:( \d+){5}; attention_mask: 1 1 1 1 1$/);
    const model = openModelFile(path);
    const { dataset } = await openModelData(model, path, { data }, ctx);
    try {
      const o = { model, pruned: openModelFile(path), path, dataset, from: [3, 5] };
      const [first, second] = await samplePredictions(o, ctx.executor);
      expect(first!.others).toBe(p.images[3]!.others);
      expect(second!.others).toBe(p.images[5]!.others);
      expect(first!.after).toBe(first!.before);
    } finally {
      await dataset.close();
    }
  });
});

describe('preview', () => {
  it('shows the first samples as the model sees them, with the names of their classes', async () => {
    const p = await runPreview(sample, ctx);
    expect(p).toMatchObject({ kind: 'array file', samples: 1000, labelled: true, classes: 10 });
    expect(p.images.length).toBe(24);
    expect(p.images.slice(0, 3).map((i) => i.label)).toEqual(['disc', 'ring', 'square']);
    expect(p.classNames).toContain('hourglass');
    expect(p.preprocess).toMatchObject({ layout: 'NCHW', mean: [0.5, 0.5, 0.5] });
    for (const i of p.images) expect(i.src).toMatch(/^data:image\/png;base64,.{100}/);
  });

  it('says so where samples are no pictures', async () => {
    const source = new Model();
    source.opsets.set('', 17);
    const x = source.graph.addInput('x', { elemType: DType.FLOAT, shape: ['N', 8] });
    const y = new GraphBuilder(source.graph, 17).relu(x);
    y.type = { elemType: DType.FLOAT, shape: ['N', 8] };
    source.graph.outputs.push(y);
    const [model, data] = [join(folder, 'rows.onnx'), join(folder, 'rows.npy')];
    writeFileSync(model, serializeModel(source));
    writeFileSync(data, encodeNpy({ dtype: DType.FLOAT, dims: [3, 8], data: new Float32Array(24) }));
    const p = await runPreview({ model, data }, ctx);
    expect(p).toMatchObject({ samples: 3, labelled: false, classes: null, images: [], preprocess: {} });
    expect(p.notes.join()).toMatch(/not pictures/);
    await expect(runPreview({ model: fixture.model, data }, ctx)).rejects.toMatchObject({ code: 'data-shape' });
  });
});

describe('profile', () => {
  it('names what each kernel takes and the groups that change its width', async () => {
    const p = await runProfile({ model: sample.model, ...where }, ctx);
    const { groups } = await runInspect({ model: sample.model }, ctx);
    const ids = new Set(groups.map((g) => g.id));
    expect(p.operators.filter((o) => o.operator === 'Conv').length).toBe(16);
    for (const o of p.operators) {
      expect(o.ms).toBeGreaterThanOrEqual(0);
      for (const g of o.groups) expect(ids).toContain(g);
    }
    const conv = p.operators.find((o) => o.name === 'stage1.block1.2.conv')!;
    expect([...conv.groups].sort()).toEqual(['stage1.block1.1.conv', 'stage1.block1.2.conv']);
    expect(p.totalMs).toBeCloseTo(
      p.operators.reduce((sum, o) => sum + o.ms, 0),
      9,
    );
    expect(p.operators.map((o) => o.ms)).toEqual(p.operators.map((o) => o.ms).sort((a, b) => b - a));
  });
});

describe('reach', () => {
  it('predicts what uniform widths take, and counts what surgery would leave', async () => {
    const r = await runReach({ model: fixture.model, ...where }, ctx);
    expect(r.baselineMs).toBeGreaterThan(0);
    expect(r.curve.map((c) => c.keep)).toEqual([...r.curve].map((c) => c.keep).sort((a, b) => b - a));
    expect(r.curve[0]!.ms).toBeGreaterThan(r.curve.at(-1)!.ms);
    expect(r.leastMs).toBeLessThanOrEqual(r.curve[0]!.ms);
    const { model } = await loadWithHash(fixture.model);
    const p = await prepare(model, ctx, 1);
    expect(r.curve[0]!.macs).toBe(modelCosts(p.model, p.facts).macs);
    const point = r.curve[4]!;
    const choices = p.structures
      .filter((s) => s.axes)
      .map((s) => {
        const kept = Math.round(point.keep * s.units);
        return choiceOf(
          s,
          Array.from({ length: s.units - kept }, (_, i) => kept + i),
        );
      });
    const cut = applyPlan(p, { choices }).model;
    expect(point.macs).toBe(modelCosts(cut, await collectFacts(cut, ctx.executor)).macs);
  });
});

describe('review', () => {
  it('has what the sliders of a finished job need', async () => {
    const request: CompressRequest = {
      ...fixture,
      budget: { ratio: 0.6, percentile: 50, ...where },
      device: 'local',
      recipe: { ...PRESETS.fast, calibrationSamples: 64, latencyRuns: 20 },
      out: join(folder, 'bundle'),
      seed: 1,
    };
    const report = await runCompress(request, ctx);
    expect(points.length).toBeGreaterThan(0);
    for (const p of points) {
      expect(p.ratio).toBeGreaterThan(0);
      expect(p.predictedRatio).toBeGreaterThan(0);
      // Null when no samples judged the step.
      if (p.change !== null) expect(p.change).toBeGreaterThanOrEqual(0);
    }
    ran = [];
    const r = await runReview({ request, report }, ctx);
    // It uses the latency tables and the scores of the job.
    expect(ran).toEqual([]);
    expect(r.baselineMs).toBe(report.baseline.p50Ms);
    expect(r.samples.length).toBe(Math.min(12, report.result!.quality!.samples));
    const numbers = ['0', '1', '2', '3'];
    for (const s of r.samples) {
      expect(numbers).toContain(s.before);
      expect(numbers).toContain(s.after);
      expect(s.src).toMatch(/^data:image\/png/);
    }
    expect(r.operators.map((o) => o.operator)).toContain('Conv');
    for (const g of r.groups) {
      expect(g.kept).toBe(report.groups.find((x) => x.id === g.id)!.kept);
      expect(g.counts).toContain(g.kept);
      expect(g.counts.at(-1)).toBe(g.units);
      expect(g.costs.length).toBe(g.counts.length);
      expect(g.costs.at(-1)).toBe(0);
      for (const c of g.costs) expect(c).toBeGreaterThanOrEqual(0);
    }
    // The predicted time of the whole model is about its measured time (its prepared form differs
    // by noise); the dropped blocks take no time.
    const whole = await runReview({ request, report: { ...report, blocksRemoved: [] } }, ctx);
    const sum = whole.units.reduce((ms, u) => ms + calibratedMs(unitMs(u, new Map()), r.scale, r.offset), 0);
    expect(sum / r.baselineMs).toBeGreaterThan(0.5);
    expect(sum / r.baselineMs).toBeLessThan(2);
    const names = whole.units.map((u) => u.name);
    expect(r.units.map((u) => u.name)).toEqual(names.filter((n) => r.units.some((u) => u.name === n)));
    expect(r.units.length < names.length).toBe(report.blocksRemoved.length > 0);

    // The second review finds everything in the store.
    const again = await runReview({ request, report }, ctx);
    expect(again.groups).toEqual(r.groups);
    expect(again.units).toEqual(r.units);
  });

  it('goes without the data and the bundle that are no longer there', async () => {
    const request: CompressRequest = {
      model: fixture.model,
      data: join(folder, 'gone.npz'),
      budget: { ratio: 0.6, percentile: 50, ...where },
      device: 'local',
      recipe: PRESETS.fast,
      out: join(folder, 'none'),
      seed: 1,
    };
    const report = await runCompress({ ...request, data: fixture.data, recipe: { ...PRESETS.fast, latencyRuns: 20, calibrationSamples: 64 } }, ctx); // prettier-ignore
    rmSync(report.bundle!, { recursive: true });
    expect(existsSync(report.model!)).toBe(false);
    const r = await runReview({ request, report }, ctx);
    expect([r.samples, r.operators]).toEqual([[], []]);
    expect(r.groups.length).toBeGreaterThan(0);
  });
});
