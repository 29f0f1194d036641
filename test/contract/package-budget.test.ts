/** One budget over a whole package: over given latencies, on a package with random weights. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PackageBudgetReport, PackageBudgetRequest } from '../../src/shared/model/package-budget.ts';
import { PRESETS } from '../../src/shared/model/recipes.ts';
import { renderPackageBudget } from '../../src/main/cli/render-package-budget.ts';
import type { TaskTable } from '../../src/main/jobs/worker-side.ts';
import { compressPackage } from '../../src/main/pipeline/compress-package.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { packageBudgetRequest } from '../../src/main/services/package-budget-request.ts';
import { tasks } from '../../src/main/tasks/index.ts';
import { openWorker } from '../../src/main/tasks/worker-resources.ts';
import { plainExecutor } from '../support/executor.ts';
import { fusedDecoder } from '../support/small-decoder.ts';
import { writeRecoverablePackage } from '../support/small-recoverable-package.ts';
import { steadily, steadyTable } from '../support/steady-measure.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-package-budget-'));
afterAll(() => rmSync(work, { recursive: true, force: true, maxRetries: 5 }));
const small = join(work, 'small');
const pictures = Array.from({ length: 12 }, (_, i) => join(work, `${i}.png`));
const table = tasks as TaskTable;
let ctx: StageContext;
/** Stages that ran, by name. */
let ran: string[] = [];

beforeAll(async () => {
  writeRecoverablePackage(small, fusedDecoder());
  for (const [i, path] of pictures.entries()) {
    const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, k) => ((k + 7 * i) * (k + 3)) & 255);
    await sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
      .png()
      .toFile(path);
  }
  const worker = await openWorker({ id: 'test', task: 'test', input: {}, home: join(work, 'home') });
  const steady = steadily({
    ...worker.context,
    latency: steadyTable,
    job: 'test',
    artifact: (stage, key, make) =>
      worker.context.artifact(stage, key, (dir, checkpoint) => (ran.push(stage), make(dir, checkpoint))),
    log: () => undefined,
    inSubprocess: (task, input) => table[task]!(input as never, ctx),
    point: () => undefined,
    progress: () => undefined,
  });
  // A model has the same latency in every opening.
  const known = new Map<string, Promise<unknown>>();
  const inSubprocess: StageContext['inSubprocess'] = (task, input) => {
    const key = JSON.stringify([task, input]);
    known.set(key, known.get(key) ?? steady.inSubprocess(task, input));
    return known.get(key)!;
  };
  ctx = { ...steady, inSubprocess };
});

const request = (o: Partial<PackageBudgetRequest>): PackageBudgetRequest => ({
  package: small,
  budget: { ratio: 0.7, percentile: 50, batch: 1, threads: 1, provider: 'cpu' },
  metric: 'first-token',
  tokens: 'stride',
  images: pictures,
  prompts: ['abc'],
  settings: { tokens: 3, prompt: 4 },
  recipe: { ...PRESETS.fast, allocation: 'uniform', latencyRuns: 12 },
  out: join(work, 'out'),
  seed: 1,
  ...o,
});

describe('a budget on a whole package', () => {
  let report: PackageBudgetReport;

  it('writes a package within the budget that answers', async () => {
    report = await compressPackage(request({}), ctx);
    expect(report.met).toBe(true);
    expect(report.workload!.afterMs).toBeLessThanOrEqual(0.7 * report.workload!.beforeMs);
    expect(report.written!.folder).toBe(join(work, 'out'));
    const runner = openRunner(join(work, 'out'), { executor: plainExecutor });
    const answer = await runner.generate({ image: pictures[0]!, prompt: 'abc', tokens: 3 });
    await runner.close();
    expect(answer.ids).toHaveLength(3);
  });

  it('compares tokens, the decoder and both, and takes the one of least damage', () => {
    const kinds = report.ways.map((w) => w.kinds.join('+'));
    expect(kinds).toContain('tokens');
    expect(kinds).toContain('tokens+decoder_model_merged');
    const reached = report.ways.filter((w) => w.reached);
    expect(report.ways.find((w) => w.chosen)!.kl).toBe(Math.min(...reached.map((w) => w.kl)));
  });

  it('does not accept what is judged on too few answers, and says so first', () => {
    expect(report.accepted).toBe(false);
    expect(report.reasons.join()).toMatch(/Judged on 2 answers only/);
    expect(renderPackageBudget(report)).toMatch(/^\nNOT ACCEPTED\n/);
  });

  it('uses the levels again for another budget', async () => {
    ran = [];
    const other = await compressPackage(request({ budget: { ratio: 0.6, percentile: 50, batch: 1, threads: 1, provider: 'cpu' }, out: join(work, 'other') }), ctx); // prettier-ignore
    expect(other.met).toBe(true);
    expect(ran).not.toContain('scores');
  });

  it('writes nothing for a budget that nothing reaches', async () => {
    const none = await compressPackage(request({ tokens: 'none', budget: { ratio: 0.01, percentile: 50, batch: 1, threads: 1, provider: 'cpu' }, out: join(work, 'none') }), ctx); // prettier-ignore
    expect(none).toMatchObject({ met: false, accepted: false, written: null });
    expect(none.reasons[0]).toMatch(/cannot be reached/);
    expect(existsSync(join(work, 'none'))).toBe(false);
  });
});

describe('the request', () => {
  it('is for a whole package where pictures are given', () => {
    const o = { budget: '0.5x', image: [pictures[0]!], prompt: ['a'] };
    expect(packageBudgetRequest(small, o, work)).toMatchObject({ tokens: 'auto', metric: 'total', prompts: ['a'] });
    expect(packageBudgetRequest(small, { budget: '0.5x', component: 'decoder' }, work)).toBeNull();
  });

  it('is refused where options contradict each other', () => {
    const refused = (o: object) => () => packageBudgetRequest(small, { budget: '0.5x', ...o }, work);
    expect(refused({ tokens: 'pool' })).toThrow(/needs pictures/);
    expect(refused({ image: [pictures[0]!], component: 'x' })).toThrow(/--component/);
    expect(refused({ image: [pictures[0]!], data: 'x' })).toThrow(/--data is for one model/);
  });
});
