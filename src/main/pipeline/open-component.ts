/**
 * Opens a component of a package for jobs: the package, the metric, and the sizes at which the
 * component runs.
 */
import type { CompressRequest, PackagePart } from '../../shared/model/job.ts';
import type { Metric } from '../../shared/model/package.ts';
import { timedPhases } from './measure/phases.ts';
import { metricOf } from './measure/use.ts';
import type { JobRequest } from './open-job.ts';
import { openPackage, type OpenedPackage } from './prepare/open-package.ts';

export type PartRequest = CompressRequest & { readonly part: PackagePart };

interface OpenedComponent {
  readonly pkg: OpenedPackage;
  readonly metric: Metric;
  /** The request for the component alone; its budget still applies to the use. */
  readonly own: JobRequest;
}

/** @throws 'workload-metric', and errors of `openPackage` */
export function openComponent(request: PartRequest): OpenedComponent {
  const { part, family, data } = request;
  const pkg = openPackage(part.package, { settings: part.settings, family, dims: request.dims });
  const metric = metricOf(pkg.workload, part.metric);
  // Data have sizes of their own; timings use the sizes of the phases.
  const dims = data === undefined ? pkg.mainDims(part.component) : (request.dims ?? {});
  const phases = timedPhases(pkg.workload, metric, part.component);
  return { pkg, metric, own: { ...request, model: pkg.fileOf(part.component), dims, phases } };
}
