// The worker of a job is killed in the middle of each stage. The window reports it and offers to
// resume, and the job ends with the plan that was allocated once.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { stages, status, t } from '../../src/renderer/app/strings.ts';
import type { CompressInput, Output } from '../../src/shared/contract/routes.ts';
import type { CompressReport } from '../../src/shared/model/job.ts';
import type { Plan } from '../../src/shared/model/types.ts';
import { PRESETS } from '../../src/shared/model/recipes.ts';
import { writeCompressFixture } from '../support/compress-fixture.ts';
import { ask } from '../support/serve.ts';
import { Window } from './pages.ts';
import { expect, test } from './served.ts';

/** Kept units per structure. */
type Stored = [string, number][];
type Get = Output<'jobs.get'>;

const planOf = (bundle: string): Plan => {
  const path = readdirSync(bundle, { recursive: true, encoding: 'utf8' }).find((n) => /(^|[\\/])plan\.json$/.test(n));
  return JSON.parse(readFileSync(join(bundle, path!), 'utf8')) as Plan;
};

/**
 * Kills the worker once the stage, or a later one, is running: a short stage may end before it is
 * seen. Returns false when the job ended before that.
 */
async function killIn(stage: string, order: readonly string[], url: string, id: string): Promise<boolean> {
  for (;;) {
    const job = await ask<Get>(url, 'jobs.get', { id });
    if (job.status === 'done') return false;
    if (job.status !== 'queued' && job.status !== 'running') throw new Error(`${job.status} before ${stage}`);
    if (job.progress && order.indexOf(job.progress.stage) >= order.indexOf(stage) && job.workerPid !== null) {
      process.kill(job.workerPid, 'SIGKILL');
      return true;
    }
    await new Promise((done) => setTimeout(done, 4));
  }
}

// Plans are compared, so measurements are fixed figures.
test.use({ steady: true });

test('a job whose worker is killed in the middle of any stage ends with the same plan', async ({ window, served }) => {
  const { model, data } = writeCompressFixture(served.home, 48, 192);
  const allocations = (): string[] =>
    readdirSync(join(served.home, 'artifacts')).filter((name) => name.startsWith('allocate-'));
  // The folder holds the model, the data and the bundle's folder.
  await ask(served.url, 'files.pick', { path: served.home });
  const start = async (out: string): Promise<string> => {
    const input: CompressInput = {
      model,
      data,
      budget: { ratio: 0.7, percentile: 50, threads: 1, batch: 1, provider: 'cpu' },
      recipe: { ...PRESETS.balanced, recovery: { ...PRESETS.balanced.recovery, seconds: 2 }, latencyRuns: 20 },
      out: join(served.home, out),
      seed: 5,
    };
    return (await ask<{ id: string }>(served.url, 'jobs.start', input)).id;
  };
  const w = new Window(window);
  const order = Object.keys(stages);
  const id = await start('disturbed');
  const seen: string[] = [];
  let allocated: string | undefined;
  for (const stage of order) {
    if (!(await killIn(stage, order, served.url, id))) break;
    if (stage === 'compensate') [allocated] = allocations();
    if (seen.length === 0) {
      await w.button(t.library).click();
      await window.getByRole('row').filter({ hasText: 'tiny.onnx' }).getByRole('button', { name: t.show }).click();
    }
    // The window learns of it by an event.
    await expect(w.status).toHaveText(status.failed);
    await expect(window.getByRole('alert').filter({ hasText: 'worker' })).toBeVisible();
    await expect(window.getByText(t.broken)).toBeVisible();
    await w.button(t.resume).click();
    await expect(w.status).toHaveText(status.running);
    seen.push(stage);
  }
  await expect(w.status).toHaveText(status.done);
  const { result, attempts } = await ask<Get>(served.url, 'jobs.get', { id });
  // At most the last stage, which is short, was missed.
  expect(seen.length).toBeGreaterThanOrEqual(order.length - 1);
  expect(attempts).toBe(seen.length + 1);
  const plan = planOf((result as CompressReport).bundle!);

  // The allocation of the run that was killed in a later stage is still stored. A second look at
  // the plan may have replaced it, depending on measurements. The bundle holds the last plan.
  const all = allocations();
  expect(all).toContain(allocated);
  const states = all.map((name) => {
    const { state } = JSON.parse(readFileSync(join(served.home, 'artifacts', name, 'plan.json'), 'utf8')) as { state: string }; // prettier-ignore
    return JSON.parse(state) as Stored;
  });
  const kept = new Map((result as CompressReport).groups.map((g) => [g.id, g.kept]));
  const levels = new Map(plan.choices.map((c) => [c.structure, c.level]));
  const blocks = plan.choices.filter((c) => c.level === 0).length;
  const { groups } = result as CompressReport;
  const isBundled = (state: Stored): boolean =>
    state.filter(([, level]) => level === 0).length === blocks &&
    state.every(([structure, level]) => {
      const bundled = levels.get(structure);
      // A structure inside a dropped block is in no plan.
      if (bundled === undefined && blocks > 0) return true;
      if (level === 0) return bundled === 0;
      const { units } = groups.find((g) => g.id === structure)!;
      return kept.get(structure) === level && (bundled ?? units) === level;
    });
  // Another plan requested after a missed verdict may be identical.
  expect(new Set(states.filter(isBundled).map((state) => JSON.stringify(state))).size).toBe(1);
  // Runs and resumes of one job store their plans under the same keys, except for the known limit
  // of what is too slow.
  const keys = all.map((name) => {
    const path = join(served.home, 'artifacts', name, '.complete.json');
    const { key } = JSON.parse(readFileSync(path, 'utf8')) as { key: { inputs: Record<string, string> } };
    return JSON.stringify({ ...key.inputs, known: null });
  });
  expect(new Set(keys).size).toBe(1);
});
