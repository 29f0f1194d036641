/** A job on a transformer: fewer tokens alone, and fewer tokens beside heads, over given latencies. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompressReport, CompressRequest, Recipe } from '../../src/shared/model/job.ts';
import { calibratedMs, unitMs } from '../../src/shared/model/latency-table.ts';
import { PRESETS } from '../../src/shared/model/recipes.ts';
import type { Plan } from '../../src/shared/model/types.ts';
import { encodeNpy } from '../../src/main/data/npy.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import type { TaskTable } from '../../src/main/jobs/worker-side.ts';
import { runCompress } from '../../src/main/pipeline/compress.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import type { VerifyReport } from '../../src/main/pipeline/verify/verify.ts';
import { tasks } from '../../src/main/tasks/index.ts';
import { runReview } from '../../src/main/tasks/review.ts';
import { openWorker } from '../../src/main/tasks/worker-resources.ts';
import { steadily } from '../support/steady-measure.ts';
import { buildTransformer } from '../support/transformer.ts';

let folder: string;
let ctx: StageContext;
/** Stages that ran, by name. */
let ran: string[] = [];
const table = tasks as TaskTable;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secateur-tokens-'));
  const model = buildTransformer({ batch: 'batch', side: 4, width: 16, layers: 2 });
  writeFileSync(join(folder, 'vit.onnx'), serializeModel(model));
  const random = seededRandom(5);
  const data = Float32Array.from({ length: 64 * 768 }, () => random.normal());
  writeFileSync(join(folder, 'data.npy'), encodeNpy({ dtype: DType.FLOAT, dims: [64, 3, 16, 16], data }));
  const worker = await openWorker({ id: 'test', task: 'test', input: {}, home: join(folder, 'home') });
  ctx = steadily({
    ...worker.context,
    job: 'test',
    artifact: (stage, key, make) =>
      worker.context.artifact(stage, key, (dir, checkpoint) => (ran.push(stage), make(dir, checkpoint))),
    log: () => undefined,
    inSubprocess: (task, input) => table[task]!(input as never, ctx),
    point: () => undefined,
    progress: () => undefined,
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const requestOf = (name: string, ratio: number, recipe: Partial<Recipe>): CompressRequest => ({
  model: join(folder, 'vit.onnx'),
  data: join(folder, 'data.npy'),
  budget: { ratio, percentile: 50, threads: 1, batch: 1, provider: 'cpu' },
  device: 'local',
  recipe: { ...PRESETS.fast, latencyRuns: 20, ...recipe },
  outputs: { logits: 'classes' },
  out: join(folder, name),
  seed: 1,
});
const compress = (request: CompressRequest): Promise<CompressReport> =>
  runCompress(request, { ...ctx, job: request.out });

describe('a job on a transformer', () => {
  it('meets a budget by fewer tokens alone, and can be verified and reviewed', async () => {
    const request = requestOf('alone', 0.6, { tokens: 'stride', channels: false, blocks: false });
    const r = await compress(request);
    expect(r.met).toBe(true);
    expect(r.tokens!.schedule!.method).toBe('stride');
    expect(r.tokens!.left).toBeLessThan(r.tokens!.before);
    expect(r.tokens!.tried.map((t) => t.way)).toEqual(['tokens']);
    expect(ran).toContain('token-fit');
    expect(r.result!.macs).toBeLessThan(0.6 * r.baseline.macs);
    expect(r.groups.every((g) => g.kept === g.units)).toBe(true);
    const plan = JSON.parse(readFileSync(join(r.bundle!, 'secateur/plan.json'), 'utf8')) as Plan;
    expect(plan.tokens).toEqual(r.tokens!.schedule);
    const { checks } = (await table['verify']!({ bundle: r.bundle } as never, ctx)) as VerifyReport;
    expect(checks.filter((c) => c.ok === false && c.name !== 'latency')).toEqual([]);
    ran = [];
    const review = await runReview({ request, report: r }, ctx);
    // Tables and scores are those of the model with fewer tokens.
    expect(ran).toEqual([]);
    const { scale, offset } = review;
    const ms = review.units.reduce((sum, u) => sum + calibratedMs(unitMs(u, new Map()), scale, offset), 0);
    expect(ms / r.baseline.p50Ms).toBeLessThan(0.8);
  });

  it('compares ways, makes the one that changes the outputs least, and teaches it with all tokens', async () => {
    const recovery = { ...PRESETS.fast.recovery, enabled: true, seconds: 1 };
    const r = await compress(requestOf('auto', 0.6, { recovery }));
    const { tried, schedule } = r.tokens!;
    expect(tried.map((t) => t.way)).toContain('other structures');
    expect(tried.length).toBeGreaterThan(1);
    const changes = tried.flatMap((t) => (t.change === null ? [] : [t.change]));
    const best = tried.find((t) => t.change === Math.min(...changes))!;
    expect(schedule).toEqual(best.schedule);
    expect(r.met).toBe(true);
    expect(r.notes.join()).toMatch(/Recovery: \d+ steps/);
  });

  it('leaves tokens whole without data, and says so', async () => {
    const { data: _, ...request } = requestOf('blind', 0.7, {});
    const r = await compress(request);
    expect(r.tokens).toBeUndefined();
    expect(r.notes.join()).toContain('without data');
  });
});
