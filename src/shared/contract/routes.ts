/**
 * What the window may ask, whatever carries it: Electron's IPC, HTTP, or a call in the same process. One entry per route;
 * inputs are checked against a schema of the same name (main/transport/schemas.ts). Results are typed, never rejections.
 */
import type {
  CompressReport,
  LatencyVerdict,
  OutputReading,
  PackagePart,
  Preprocess,
  Quality,
  QualityFloor,
  Recipe,
} from '../model/job.ts';
import type { JobRecord, JobStatus } from '../model/job-record.ts';
import type { Candidate, Progress } from '../model/frames.ts';
import type { PackageReport, Workload, WorkloadReport } from '../model/package.ts';
import type { InspectReport } from '../model/tasks.ts';
import type { DataPreview, OperatorProfile, ReachReport, ReviewData, VerifyOutcome } from '../model/window.ts';
import type { Budget, DeviceProfile, Family } from '../model/types.ts';
import type { ErrorPayload } from './errors.ts';

type Empty = Record<string, never>;

export interface AppInfo {
  readonly version: string;
  readonly home: string;
  /** 'served': paths are those of the machine that serves, chosen in the window's own file list. */
  readonly mode: 'electron' | 'served';
  readonly cores: number;
  /** Of the machine that does the work. */
  readonly host: string;
}

export interface Settings {
  readonly theme: 'system' | 'light' | 'dark';
  readonly threads: number;
  /** Folder that bundles go to unless another is chosen. */
  readonly outFolder: string;
}

export interface Sample {
  readonly id: string;
  readonly name: string;
  readonly about: string;
  readonly model: string;
  readonly data: string;
}

export interface RecentModel {
  readonly path: string;
  readonly bytes: number;
  readonly family: Family | null;
  readonly seenAt: number;
  /** False when the file is gone. */
  readonly there: boolean;
}

export interface FolderListing {
  readonly folder: string;
  readonly parent: string | null;
  readonly entries: readonly {
    readonly name: string;
    readonly path: string;
    readonly kind: 'folder' | 'file';
    readonly bytes: number;
  }[];
  /** The file that was asked for, where it was one: the folder is the one it is in. */
  readonly file?: string;
  /** More than are listed. */
  readonly more: number;
}

/** What a path is: one model, or the folder of a package. */
export interface OpenedAs {
  readonly kind: 'model' | 'package';
  /** Of a folder with a single model: the file in it. */
  readonly path: string;
}

/** A package with the workload that its settings ask for. */
export interface PackageInput {
  readonly package: string;
  readonly settings?: Readonly<Record<string, number>>;
  /** As the user has it; default: as corrected before, else as detected. */
  readonly family?: Family;
  readonly dims?: Readonly<Record<string, number>>;
}

export type FileKind = 'model' | 'data' | 'labels' | 'preprocess' | 'folder' | 'bundle';

/** What the wizard has gathered; paths are absolute and were chosen by the user. */
export interface CompressInput {
  readonly model: string;
  readonly budget: Budget;
  readonly data?: string;
  readonly labels?: string;
  /** A file, or the name of a preset. */
  readonly preprocess?: string;
  /** How outputs are read; the rest is inferred. */
  readonly outputs?: Readonly<Record<string, OutputReading>>;
  /** Default: `DEFAULT_FLOOR`. */
  readonly floor?: QualityFloor;
  readonly recipe: Recipe;
  /** Folder of the bundle; default: a new one in the settings' folder. */
  readonly out?: string;
  readonly seed: number;
  /** What the user says the model is; default: as detected. */
  readonly family?: Family;
  /** Sizes of dynamic axes by name; the rest is found or guessed. */
  readonly dims?: Readonly<Record<string, number>>;
  /** `model` is a component of a package, and the budget is one on a use of the package. */
  readonly part?: PackagePart;
}

/** What a finished compression came to: what a row of a list shows, and enough to judge it by. */
export interface ResultSummary {
  readonly met: boolean;
  /** Absent in reports of earlier versions: nobody judged. */
  readonly accepted?: boolean;
  readonly reasons?: readonly string[];
  readonly latency?: Pick<LatencyVerdict, 'verdict'>;
  readonly unreachable?: { readonly reason: string };
  /** Of the original and of the result; null where there were no data. */
  readonly qualityBefore: Quality | null;
  readonly quality: Quality | null;
  /** Of one use of the package where a component was pruned. */
  readonly beforeMs: number;
  readonly afterMs: number | null;
}

/** A bundle that a job has written. */
export interface BundleEntry extends ResultSummary {
  readonly path: string;
  readonly job: string;
  readonly model: string;
  /** As in `JobSummary`. */
  readonly part?: Pick<PackagePart, 'component' | 'metric'>;
  /** As it was asked for: `0.7x` or `4 ms`. */
  readonly budget: string;
  readonly budgetMs: number;
  readonly recipe: string;
  /** Groups whose width was set by hand. */
  readonly widths: number;
  readonly afterMs: number;
  /** Of the pruned model. */
  readonly bytes: number;
  /** That it was measured on. */
  readonly processor: string;
  readonly createdAt: number;
  /** False when the folder is gone. */
  readonly there: boolean;
}

export interface JobSummary {
  readonly id: string;
  readonly kind: string;
  readonly status: JobStatus;
  readonly model: string;
  /** Of a package: the component that is pruned, and the metric of the budget. `model` is then the folder. */
  readonly part?: Pick<PackagePart, 'component' | 'metric'>;
  readonly budget: string;
  /** Name of the recipe; null for jobs that have none. */
  readonly recipe: string | null;
  /** Groups whose width was set by hand. */
  readonly widths: number;
  readonly progress: Progress | null;
  readonly createdAt: number;
  readonly finishedAt: number | null;
  readonly attempts: number;
  /** Of a finished compression. */
  readonly outcome: (ResultSummary & { readonly bundle: string | null }) | null;
  /** Of a finished verification: whether no check failed. */
  readonly passed: boolean | null;
  readonly error: ErrorPayload | null;
}

export interface JobDetail extends Omit<JobRecord, 'request' | 'result'> {
  readonly request: CompressInput | Record<string, unknown>;
  readonly result: CompressReport | VerifyOutcome | null;
  readonly log: readonly string[];
  readonly points: readonly Candidate[];
  /** `seq` of the last event whose line or point is in here. */
  readonly said: number;
}

/** How long a job may take. */
export interface JobEstimate {
  readonly recipe: string;
  /** Null where nothing was measured that tells. */
  readonly seconds: number | null;
  /** 'model': jobs of this very model; 'others': jobs of models of like size. */
  readonly from: 'model' | 'others' | null;
}

/** What one key of a recipe may hold. */
export interface RecipeField {
  /** Words to choose from, beside numbers where there are bounds. */
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** Whether the lower or the upper bound itself is out of range. */
  readonly above?: true;
  readonly below?: true;
  readonly whole?: true;
}

export interface RecipeCatalogue {
  readonly presets: readonly Recipe[];
  /** By key, those of `recovery` as `recovery.seconds`. */
  readonly fields: Readonly<Record<string, RecipeField>>;
  readonly allocations: readonly { readonly name: string; readonly summary: string }[];
  readonly criteria: readonly { readonly name: string; readonly summary: string; readonly needs: string }[];
}

export interface Routes {
  'app.info': { input: Empty; output: AppInfo };
  'settings.get': { input: Empty; output: Settings };
  'settings.set': { input: Partial<Settings>; output: Settings };
  'files.list': { input: { folder: string | null; kind: FileKind }; output: FolderListing };
  /** Chooses a path that was picked in the window's own list of files or typed there; only where there is one. */
  'files.pick': { input: { path: string }; output: { path: string; kind: 'file' | 'folder' } };
  /** Room for files that are dropped on the page of a browser; they follow one by one over `/api/upload/<id>/<name>`. */
  'uploads.begin': { input: { files: number; bytes: number }; output: { id: string; folder: string } };
  /** Removes what was uploaded so far. */
  'uploads.discard': { input: { id: string }; output: Empty };
  /** The system's own dialog; only where there is one. */
  'files.choose': { input: { kind: FileKind }; output: { path: string | null } };
  'models.samples': { input: Empty; output: readonly Sample[] };
  'models.recent': { input: Empty; output: readonly RecentModel[] };
  'models.forget': { input: { path: string }; output: Empty };
  'models.inspect': {
    input: { model: string; dims?: Readonly<Record<string, number>> };
    output: InspectReport & { readonly corrected: Family | null };
  };
  'packages.find': { input: { path: string }; output: OpenedAs };
  'packages.inspect': {
    input: PackageInput;
    /** `id`: what the family is corrected under. */
    output: PackageReport & { readonly id: string; readonly corrected: Family | null };
  };
  /** One use of a package at other settings. Nothing is run. */
  'packages.use': { input: PackageInput; output: Workload };
  /** Measures one use of a package, phase by phase. */
  'packages.measure': { input: PackageInput & { threads: number; provider: string }; output: WorkloadReport };
  /** Corrects what a model or a package was taken for. */
  'models.family': { input: { sha256: string; family: Family }; output: Empty };
  'models.profile': {
    input: { model: string; threads: number; batch: number; provider: string; dims?: Readonly<Record<string, number>> };
    output: OperatorProfile;
  };
  'devices.list': { input: Empty; output: readonly DeviceProfile[] };
  /** Removes a stored profile of another machine. */
  'devices.forget': { input: { id: string }; output: Empty };
  'budget.reach': {
    input: {
      model: string;
      threads: number;
      batch: number;
      provider: string;
      dims?: Readonly<Record<string, number>>;
      /** `model` is a component: the figures are of one use of its package. */
      part?: PackagePart;
      family?: Family;
    };
    output: ReachReport;
  };
  'data.preview': {
    input: {
      model: string;
      data: string;
      labels?: string;
      preprocess?: string;
      outputs?: Readonly<Record<string, OutputReading>>;
      dims?: Readonly<Record<string, number>>;
    };
    output: DataPreview;
  };
  'recipes.list': { input: Empty; output: RecipeCatalogue };
  'jobs.start': { input: CompressInput; output: { id: string } };
  /** For each recipe that comes with Secateur, from jobs that were finished here. `macs`: of one run of the model. */
  'jobs.estimate': { input: { model: string; macs: number }; output: readonly JobEstimate[] };
  'jobs.list': { input: Empty; output: { jobs: readonly JobSummary[]; paused: boolean } };
  'jobs.get': { input: { id: string }; output: JobDetail };
  'jobs.cancel': { input: { id: string }; output: Empty };
  'jobs.resume': { input: { id: string }; output: Empty };
  'jobs.delete': { input: { id: string }; output: Empty };
  'jobs.pause': { input: { paused: boolean }; output: Empty };
  'review.open': { input: { job: string }; output: ReviewData };
  'bundles.list': { input: Empty; output: readonly BundleEntry[] };
  'bundles.delete': { input: { path: string }; output: Empty };
  'bundles.verify': { input: { bundle: string }; output: { id: string } };
  'bundles.reveal': { input: { path: string }; output: { shown: boolean } };
}

export type RouteName = keyof Routes;
export type Input<R extends RouteName> = Routes[R]['input'];
export type Output<R extends RouteName> = Routes[R]['output'];

export type Reply<T> = { readonly ok: true; readonly data: T } | { readonly ok: false; readonly error: ErrorPayload };

/** What is told without being asked. Events of the same key replace each other while the window is busy. */
export interface Events {
  /** A job has changed. `seq` grows with every line and point of a job. */
  job: {
    readonly id: string;
    readonly status: JobStatus;
    readonly progress: Progress | null;
    readonly point?: Candidate;
    readonly log?: string;
    readonly seq?: number;
  };
  /** The list of jobs is not what it was. */
  jobs: { readonly paused: boolean };
  /** Progress of a short task that a request waits for. */
  task: { readonly route: RouteName; readonly progress: Progress };
  /** Chosen in the system's menu, or by its shortcut; only where the window has one. */
  menu: { readonly command: MenuCommand };
}
export type MenuCommand = 'open-model' | 'export' | 'help';
export type Topic = keyof Events;

/** What the window finds as `window.secateur`, or makes from HTTP. */
export interface Bridge {
  /** @param call names the request, so that it can be abandoned */
  request(route: string, input?: unknown, call?: string): Promise<unknown>;
  /** Nobody waits for the answer of that request any more: the work for it ends. */
  abandon(call: string): void;
  on(topic: string, listener: (event: unknown) => void): () => void;
  /** The path of a file that the user dropped onto the window; only where files have one. */
  dropped?(file: unknown): Promise<string | null>;
}

export type { Candidate, Preprocess };
