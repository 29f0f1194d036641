/** What a package is made of: every component inspected at the sizes of its workload. */
import { statSync } from 'node:fs';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { ComponentReport, PackageReport, PackageRequest } from '../../shared/model/package.ts';
import type { StageContext } from '../pipeline/context.ts';
import { openPackage, type OpenedPackage } from '../pipeline/prepare/open-package.ts';
import { runInspect } from './inspect.ts';

export async function runPackage(request: PackageRequest, ctx: StageContext): Promise<PackageReport> {
  ctx.progress({ stage: 'load', message: 'reading the package', done: 0 });
  const pkg = openPackage(request.package, request);
  const components: ComponentReport[] = [];
  for (const [i, component] of pkg.components.entries()) {
    const part: StageContext = {
      ...ctx,
      progress: ({ stage, message }) =>
        ctx.progress({ stage, message: `${component.id}: ${message}`, done: i / pkg.components.length }),
    };
    components.push({ ...component, ...(await inspectComponent(pkg, component.id, request.dims ?? {}, part)) });
  }
  const { path, family, configs, workload } = pkg;
  const bytes = pkg.components.reduce((sum, c) => sum + bytesOf(pkg, c.id, components), 0);
  ctx.progress({ stage: 'groups', message: 'done', done: 1 });
  return { path, family, bytes, configs, components, workload, notes: [] };
}

/** One component that cannot be inspected does not hide the others. */
async function inspectComponent(
  pkg: OpenedPackage,
  id: string,
  dims: Readonly<Record<string, number>>,
  ctx: StageContext,
): Promise<Pick<ComponentReport, 'report' | 'error'>> {
  const steady = pkg.steadyDims(id);
  const own = Object.fromEntries(Object.entries(dims).filter(([name]) => pkg.axesOf(id).has(name)));
  try {
    return { report: await runInspect({ model: pkg.fileOf(id), dims: { ...steady, ...own } }, ctx) };
  } catch (e) {
    if (!(e instanceof SecateurError)) throw e;
    return { report: null, error: e.message };
  }
}

const bytesOf = (pkg: OpenedPackage, id: string, reports: readonly ComponentReport[]): number =>
  reports.find((c) => c.id === id)?.report?.bytes ?? statSync(pkg.fileOf(id)).size;
