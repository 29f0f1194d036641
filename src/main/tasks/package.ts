/** Inspects a package: every component at the sizes of its workload. */
import { statSync } from 'node:fs';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { ComponentReport, PackageReport, PackageRequest, Workload } from '../../shared/model/package.ts';
import type { StageContext } from '../pipeline/context.ts';
import { openPackage, type OpenedPackage } from '../pipeline/prepare/open-package.ts';
import { runInspect } from './inspect.ts';

/** Describes one use of the package at other settings; no component is run. */
export function runUse(request: PackageRequest): Promise<Workload> {
  return Promise.resolve(openPackage(request.package, request).workload);
}

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
    const seen = await inspectComponent(pkg, component.id, request.dims ?? {}, part);
    components.push({ ...component, ...seen, bytes: seen.report?.bytes ?? statSync(pkg.fileOf(component.id)).size });
  }
  const { path, family, configs, workload } = pkg;
  const bytes = components.reduce((sum, c) => sum + c.bytes, 0);
  ctx.progress({ stage: 'groups', message: 'done', done: 1 });
  return { path, family, bytes, configs, components, workload, notes: [] };
}

/** A component that cannot be inspected does not hide the others. */
async function inspectComponent(
  pkg: OpenedPackage,
  id: string,
  dims: Readonly<Record<string, number>>,
  ctx: StageContext,
): Promise<Pick<ComponentReport, 'report' | 'error'>> {
  const main = pkg.mainDims(id);
  const own = Object.fromEntries(Object.entries(dims).filter(([name]) => pkg.axesOf(id).has(name)));
  try {
    return { report: await runInspect({ model: pkg.fileOf(id), dims: { ...main, ...own } }, ctx) };
  } catch (e) {
    if (!(e instanceof SecateurError)) throw e;
    return { report: null, error: e.message };
  }
}
