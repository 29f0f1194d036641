/** The open package: its components, one use of it, and the user's choices. */
import { call } from '../app/bridge.ts';
import type { Output, PackageInput } from '../../shared/contract/routes.ts';
import type { PackagePart } from '../../shared/model/job.ts';
import type { ComponentReport, Phase, Workload, WorkloadReport } from '../../shared/model/package.ts';
import { Asked } from './asked.svelte.ts';

type Opened = Output<'packages.inspect'>;

export class OpenPackage {
  /** Null when a single model, or nothing, is open. */
  report = $state.raw<Opened | null>(null);
  component = $state<string | null>(null);
  metric = $state('total');
  /** Settings given by the user; the others have the family's defaults. */
  settings = $state.raw<Readonly<Record<string, number>>>({});
  measured = new Asked<WorkloadReport>();
  /** The workload at the user's settings, when they differ from those at opening. */
  changed = new Asked<Workload>();

  get workload(): Workload | null {
    return this.changed.value ?? this.report?.workload ?? null;
  }

  get chosen(): ComponentReport | null {
    return this.report?.components.find((c) => c.id === this.component) ?? null;
  }

  /** Null when no component is chosen. */
  get part(): PackagePart | null {
    const { report, component, metric } = this;
    return report && component !== null ? { package: report.path, component, metric, settings: this.settings } : null;
  }

  /** Sizes of the chosen component in the phase that runs most often. */
  get dims(): Readonly<Record<string, number>> {
    const own = this.workload?.phases.filter((p) => p.component === this.component) ?? [];
    const main = own.reduce<Phase | null>((a, b) => (a && a.repeat >= b.repeat ? a : b), null);
    return main?.dims ?? {};
  }

  clear(): void {
    this.report = null;
    this.component = null;
    this.metric = 'total';
    this.settings = {};
    this.measured.clear();
    this.changed.clear();
  }

  /**
   * @param part the part that a job was started with; default: the component with the most to
   * prune, and the metric of the whole use
   */
  take(report: Opened, part: Partial<Pick<PackagePart, 'component' | 'metric' | 'settings'>>): void {
    this.measured.clear();
    this.changed.clear();
    this.report = report;
    this.settings = part.settings ?? {};
    const known = (id: string | undefined): boolean => report.components.some((c) => c.id === id && c.report);
    this.component = known(part.component) ? part.component! : mostToPrune(report);
    this.metric = part.metric ?? 'total';
  }

  /** Input of the package routes. */
  input(dims: PackageInput['dims'] = {}): PackageInput | null {
    const { report, settings } = this;
    if (!report) return null;
    const family = report.corrected;
    return {
      package: report.path,
      settings,
      ...(family && { family }),
      ...(Object.keys(dims).length > 0 && { dims }),
    };
  }

  /** @param value null: the family's default */
  set(name: string, value: number | null, dims: PackageInput['dims']): void {
    const { [name]: _, ...others } = this.settings;
    this.settings = value === null ? others : { ...others, [name]: value };
    this.measured.clear();
    const input = this.input(dims);
    if (input) void this.changed.load((abandoned) => call('packages.use', input, abandoned));
  }

  measure(conditions: { readonly threads: number; readonly provider: string }, dims: PackageInput['dims']): void {
    const input = this.input(dims);
    if (input) void this.measured.load((abandoned) => call('packages.measure', { ...input, ...conditions }, abandoned));
  }
}

/**
 * The component with the most to prune; null when none could be inspected. A component that no
 * phase runs comes last.
 */
function mostToPrune({ components, workload }: Pick<Opened, 'components' | 'workload'>): string | null {
  const runsOf = (id: string): number =>
    workload.phases.filter((p) => p.component === id).reduce((n, p) => n + p.repeat, 0);
  const worth = ({ id, report }: ComponentReport): number =>
    report ? Math.max(runsOf(id), 1e-9) * report.macs * report.prunableShare : -1;
  const best = components.reduce<ComponentReport | null>((a, b) => (a && worth(a) >= worth(b) ? a : b), null);
  return best?.report ? best.id : null;
}
