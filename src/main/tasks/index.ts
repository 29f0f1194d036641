/** All tasks of a worker, by the name that jobs have as their kind. */
import type { VerifyRequest } from '../../shared/model/tasks.ts';
import type { Budget } from '../../shared/model/types.ts';
import { createExecutor } from '../runtime/executor.ts';
import { runAsk } from './ask.ts';
import { blaming, type Given } from './blame.ts';
import { runBench } from './bench.ts';
import { runCompare } from './compare.ts';
import { runCompress } from '../pipeline/compress.ts';
import { compressPackage } from '../pipeline/compress-package.ts';
import { compressComponent } from '../pipeline/compress-component.ts';
import type { CompressReport, CompressRequest } from '../../shared/model/job.ts';
import type { StageContext } from '../pipeline/context.ts';
import { runCoverage } from './coverage.ts';
import { runDevices } from './devices.ts';
import { holding } from '../pipeline/measure/hold-boxes.ts';
import { runInspect } from './inspect.ts';
import { runMeasure } from '../pipeline/measure/measure.ts';
import { runPackage, runUse } from './package.ts';
import { runPreview } from './preview.ts';
import { runProvider } from './provider.ts';
import { runProfile } from './profile.ts';
import { runReach } from './reach.ts';
import { runReview } from './review.ts';
import { runRun } from './run.ts';
import { runTokenCells } from './token-cells.ts';
import { runTokenLook } from './token-look.ts';
import { runTokenTimes } from './token-times.ts';
import { runTokens } from './tokens.ts';
import { runWorkload } from './workload.ts';
import { verifyBundle, type VerifyReport } from '../pipeline/verify/verify.ts';

const one = <R extends Omit<Given, 'models'> & { readonly model: string }>(r: R): Given => ({
  ...r,
  models: [r.model],
});
const budgeted = (r: { model: string; budget: Budget; dims?: Given['dims'] }): Given => ({
  models: [r.model],
  provider: r.budget.provider,
  batch: r.budget.batch,
  dims: r.dims,
});

export const tasks = {
  ask: runAsk,
  bench: blaming(holding(runBench), one),
  compare: blaming(holding(runCompare), (r) => ({ ...r, models: [r.original, r.pruned] })),
  compress: blaming(holding(runCompressTask), budgeted),
  coverage: blaming(runCoverage, one),
  devices: runDevices,
  inspect: blaming(holding(runInspect), one),
  measure: runMeasure,
  package: runPackage,
  'package-budget': compressPackage,
  preview: runPreview,
  profile: blaming(runProfile, one),
  provider: runProvider,
  reach: blaming(holding(runReach), one),
  review: runReview,
  run: runRun,
  'token-cells': runTokenCells,
  'token-look': runTokenLook,
  'token-times': runTokenTimes,
  tokens: runTokens,
  use: runUse,
  verify: runVerify,
  workload: runWorkload,
};

/** A component of a package has the budget of one use of the package. */
function runCompressTask(request: CompressRequest, ctx: StageContext): Promise<CompressReport> {
  return request.part ? compressComponent({ ...request, part: request.part }, ctx) : runCompress(request, ctx);
}

async function runVerify(request: VerifyRequest, ctx: StageContext): Promise<VerifyReport> {
  ctx.progress({ stage: 'verify', message: 'checking', done: 0 });
  let checks = 0;
  const report = await verifyBundle(request.bundle, createExecutor(), {
    ...(request.dims && { dims: request.dims }),
    // Probed, because an installed provider library does not mean that its device is present.
    opens: async (provider) => (await runDevices(null, ctx)).providers.includes(provider),
    // The number of checks depends on the bundle, so the reported share only approaches 1.
    onCheck: (c) => ctx.progress({ stage: 'verify', message: c.name, done: 1 - 0.85 ** ++checks }),
  });
  ctx.progress({ stage: 'verify', message: 'done', done: 1 });
  return report;
}
