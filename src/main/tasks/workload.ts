/** Latency of one use of a package: every phase, and the metrics computed from them. */
import type { WorkloadReport, WorkloadRequest } from '../../shared/model/package.ts';
import { threadsNote } from '../pipeline/measure/threads-note.ts';
import { measureWorkload } from '../pipeline/measure/workload.ts';
import { openPackage } from '../pipeline/prepare/open-package.ts';
import { measuredHere } from '../runtime/device.ts';
import type { StageContext } from '../pipeline/context.ts';

export async function runWorkload(request: WorkloadRequest, ctx: StageContext): Promise<WorkloadReport> {
  const { settings, family, dims, threads, threadsAsked } = request;
  ctx.progress({ stage: 'load', message: 'reading the package', done: 0 });
  const pkg = openPackage(request.package, { settings, family, dims });
  const { workload } = pkg;
  ctx.progress({ stage: 'measure', message: `measuring ${workload.phases.map((p) => p.name).join(', ')}`, done: 0 });
  const measured = await measureWorkload(workload, pkg.fileOf, request, ctx);
  ctx.progress({ stage: 'measure', message: 'done', done: 1 });
  const idle = pkg.components.filter((c) => !workload.phases.some((p) => p.component === c.id)).map((c) => c.id);
  return {
    package: request.package,
    workload,
    ...measured,
    provenance: measuredHere(),
    notes: [
      ...threadsNote(threads, threadsAsked),
      'Times are sums over phases that were measured one by one, on inputs made up from the names of the ports.',
      ...(idle.length > 0 ? [`Not part of this use: ${idle.join(', ')}.`] : []),
    ],
  };
}
