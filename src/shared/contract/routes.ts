/**
 * The routes that the window may call, over any transport: Electron's IPC, HTTP, or a call in the
 * same process. One entry per route; inputs are checked against the schema of the same name
 * (main/transport/schemas.ts). Results are typed; routes never reject.
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
import type { FewerTokensReport } from '../model/fewer-tokens.ts';
import type { Candidate, Progress } from '../model/frames.ts';
import type { AnswerReport } from '../model/generate.ts';
import type { PackageReport, Workload, WorkloadReport } from '../model/package.ts';
import type { InspectReport } from '../model/tasks.ts';
import type {
  AskRequest,
  Selection,
  TokenCells,
  TokenCellsRequest,
  TokenLook,
  TokenTimes,
  TokenTimesRequest,
} from '../model/visual-tokens.ts';
import type { DataPreview, OperatorProfile, ReachReport, ReviewData, VerifyOutcome } from '../model/window.ts';
import type { Budget, DeviceProfile, Family } from '../model/types.ts';
import type { ErrorPayload } from './errors.ts';

type Empty = Record<string, never>;

export interface AppInfo {
  readonly version: string;
  readonly home: string;
  /**
   * 'served': paths belong to the machine that serves and are chosen in the window's own file list.
   */
  readonly mode: 'electron' | 'served';
  readonly cores: number;
  /** Host name of the machine that does the work. */
  readonly host: string;
}

export interface Settings {
  readonly theme: 'system' | 'light' | 'dark';
  readonly threads: number;
  /** Default folder for bundles. */
  readonly outFolder: string;
}

export interface Sample {
  readonly id: string;
  readonly name: string;
  readonly about: string;
  /** Path of a model, or of the folder of a package. */
  readonly model: string;
  /** Null where the sample comes without data. */
  readonly data: string | null;
  /** A picture to ask a package about, and a question. */
  readonly example?: {
    readonly path: string;
    /** PNG data URL. */
    readonly src: string;
    readonly prompt: string;
  };
}

export interface RecentModel {
  readonly path: string;
  readonly bytes: number;
  readonly family: Family | null;
  readonly seenAt: number;
  /** False when the file no longer exists. */
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
  /** The requested file, when the request named a file; the folder is then the file's folder. */
  readonly file?: string;
  /** True when the folder has more entries than are listed. */
  readonly more: number;
}

/** How a path is opened: as a single model or as a package folder. */
export interface OpenedAs {
  readonly kind: 'model' | 'package';
  /** For a folder with a single model: the path of that model. */
  readonly path: string;
}

/** A package and the settings of its workload. */
export interface PackageInput {
  readonly package: string;
  readonly settings?: Readonly<Record<string, number>>;
  /** Family set by the user; default: the stored correction, else the detected family. */
  readonly family?: Family;
  readonly dims?: Readonly<Record<string, number>>;
}

/** A package with fewer tokens; with a picture, its answer is compared with the original's. */
export interface TokenWriteInput extends Selection {
  readonly package: string;
  readonly settings: Readonly<Record<string, number>>;
  readonly image?: string;
  readonly prompt?: string;
  readonly threads: number;
  readonly provider: string;
}

export type FileKind = 'model' | 'data' | 'labels' | 'preprocess' | 'folder' | 'bundle';

/** Everything the wizard has gathered. Paths are absolute and were chosen by the user. */
export interface CompressInput {
  readonly model: string;
  readonly budget: Budget;
  readonly data?: string;
  readonly labels?: string;
  /** Path of a file, or the name of a preset. */
  readonly preprocess?: string;
  /** Reading per output name; other outputs are inferred. */
  readonly outputs?: Readonly<Record<string, OutputReading>>;
  /** Default: `DEFAULT_FLOOR`. */
  readonly floor?: QualityFloor;
  readonly recipe: Recipe;
  /** Bundle folder; default: a new folder in the settings' output folder. */
  readonly out?: string;
  readonly seed: number;
  /** Family set by the user; default: the detected family. */
  readonly family?: Family;
  /** Sizes of dynamic axes by name; other sizes are detected or guessed. */
  readonly dims?: Readonly<Record<string, number>>;
  /**
   * Set when `model` is a component of a package; the budget then applies to one use of the
   * package.
   */
  readonly part?: PackagePart;
}

/**
 * Summary of a finished compression: the columns of a list row and the figures needed to judge it.
 */
export interface ResultSummary {
  readonly met: boolean;
  /** Absent in reports of earlier versions, which made no judgement. */
  readonly accepted?: boolean;
  readonly reasons?: readonly string[];
  readonly latency?: Pick<LatencyVerdict, 'verdict'>;
  readonly unreachable?: { readonly reason: string };
  /** Quality of the original and of the result; null without data. */
  readonly qualityBefore: Quality | null;
  readonly quality: Quality | null;
  /** Latency of one use of the package when a component was pruned. */
  readonly beforeMs: number;
  readonly afterMs: number | null;
}

/** A bundle written by a job. */
export interface BundleEntry extends ResultSummary {
  readonly path: string;
  readonly job: string;
  readonly model: string;
  /** See `JobSummary.part`. */
  readonly part?: Pick<PackagePart, 'component' | 'metric'>;
  /** The budget as requested: `0.7x` or `4 ms`. */
  readonly budget: string;
  readonly budgetMs: number;
  readonly recipe: string;
  /** Number of groups whose width was set by hand. */
  readonly widths: number;
  readonly afterMs: number;
  /** Size of the pruned model. */
  readonly bytes: number;
  /** Processor on which the latency was measured. */
  readonly processor: string;
  readonly createdAt: number;
  /** False when the folder no longer exists. */
  readonly there: boolean;
}

export interface JobSummary {
  readonly id: string;
  readonly kind: string;
  readonly status: JobStatus;
  readonly model: string;
  /**
   * For a package: the pruned component and the metric of the budget. `model` is then the folder.
   */
  readonly part?: Pick<PackagePart, 'component' | 'metric'>;
  readonly budget: string;
  /** Name of the recipe; null for jobs without a recipe. */
  readonly recipe: string | null;
  /** Number of groups whose width was set by hand. */
  readonly widths: number;
  readonly progress: Progress | null;
  readonly createdAt: number;
  readonly finishedAt: number | null;
  readonly attempts: number;
  /** Set for a finished compression. */
  readonly outcome: (ResultSummary & { readonly bundle: string | null }) | null;
  /** Set for a finished verification: true when no check failed. */
  readonly passed: boolean | null;
  readonly error: ErrorPayload | null;
}

export interface JobDetail extends Omit<JobRecord, 'request' | 'result'> {
  readonly request: CompressInput | Record<string, unknown>;
  readonly result: CompressReport | VerifyOutcome | null;
  readonly log: readonly string[];
  readonly points: readonly Candidate[];
  /** `seq` of the last event whose line or point is included here. */
  readonly said: number;
}

/** Estimated duration of a job. */
export interface JobEstimate {
  readonly recipe: string;
  /** Null when no relevant measurement exists. */
  readonly seconds: number | null;
  /** 'model': jobs of this model; 'others': jobs of models of similar size. */
  readonly from: 'model' | 'others' | null;
}

/** The allowed values of one recipe key. */
export interface RecipeField {
  /** Named values; where there are bounds, numbers are allowed too. */
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** True when the bound itself is excluded. */
  readonly above?: true;
  readonly below?: true;
  readonly whole?: true;
}

export interface RecipeCatalogue {
  readonly presets: readonly Recipe[];
  /** Fields by key; keys of `recovery` are written as `recovery.seconds`. */
  readonly fields: Readonly<Record<string, RecipeField>>;
  readonly allocations: readonly { readonly name: string; readonly summary: string }[];
  readonly criteria: readonly { readonly name: string; readonly summary: string; readonly needs: string }[];
  /** Values of the key `tokens`. */
  readonly tokens: readonly { readonly name: string; readonly summary: string }[];
}

export interface Routes {
  'app.info': { input: Empty; output: AppInfo };
  'settings.get': { input: Empty; output: Settings };
  'settings.set': { input: Partial<Settings>; output: Settings };
  'files.list': { input: { folder: string | null; kind: FileKind }; output: FolderListing };
  /**
   * Chooses a path that was picked in the window's own file list or typed there; only in served
   * mode.
   */
  'files.pick': { input: { path: string }; output: { path: string; kind: 'file' | 'folder' } };
  /**
   * Reserves an upload for files dropped on a browser page. The files follow one by one over
   * `/api/upload/<id>/<name>`.
   */
  'uploads.begin': { input: { files: number; bytes: number }; output: { id: string; folder: string } };
  /** Removes the files uploaded so far. */
  'uploads.discard': { input: { id: string }; output: Empty };
  /** Opens the system's file dialog; only where there is one. */
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
    /** `id` is the key under which a corrected family is stored. */
    output: PackageReport & { readonly id: string; readonly corrected: Family | null };
  };
  /** Describes one use of a package at the given settings. Nothing is run. */
  'packages.use': { input: PackageInput; output: Workload };
  /** Measures one use of a package, phase by phase. */
  'packages.measure': { input: PackageInput & { threads: number; provider: string }; output: WorkloadReport };
  /** Says whether a package answers questions about pictures, and how many of its tokens can stay. */
  'tokens.look': { input: { package: string }; output: TokenLook };
  /** Measures the time until the first token at several numbers of image tokens. */
  'tokens.times': { input: TokenTimesRequest; output: TokenTimes };
  /** Which parts of a picture keep their tokens. */
  'tokens.cells': { input: TokenCellsRequest; output: TokenCells };
  /** Writes a package with fewer tokens to a new folder below the settings' output folder, and measures it. */
  'tokens.write': { input: TokenWriteInput; output: FewerTokensReport };
  /** Answers a prompt. The text arrives as `answer` events with the given `ask`. */
  'answers.ask': { input: AskRequest & { readonly ask: string }; output: AnswerReport };
  /** Stores the user's correction of a detected family. */
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
      /** Set when `model` is a component; the figures then describe one use of its package. */
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
  /**
   * Estimates the duration of each built-in recipe from jobs finished on this machine. `macs`
   * counts one run of the model.
   */
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

/**
 * Events pushed to the window without a request. Events of the same key replace each other while
 * the window is busy.
 */
export interface Events {
  /** A job has changed. `seq` grows with every log line and point of a job. */
  job: {
    readonly id: string;
    readonly status: JobStatus;
    readonly progress: Progress | null;
    readonly point?: Candidate;
    readonly log?: string;
    readonly seq?: number;
  };
  /** The list of jobs has changed. */
  jobs: { readonly paused: boolean };
  /** Progress of a short task that a request waits for. */
  task: { readonly route: RouteName; readonly progress: Progress };
  /** A piece of the text of an answer, in order. */
  answer: { readonly ask: string; readonly text: string };
  /** A command from the system menu or its shortcut; only where the window has a menu. */
  menu: { readonly command: MenuCommand };
}
export type MenuCommand = 'open-model' | 'export' | 'help';
export type Topic = keyof Events;

/** The transport available to the window as `window.secateur`, or built over HTTP. */
export interface Bridge {
  /** @param call names the request, so that `abandon` can end it */
  request(route: string, input?: unknown, call?: string): Promise<unknown>;
  /** Tells the app that no one waits for this request, so that its work ends. */
  abandon(call: string): void;
  on(topic: string, listener: (event: unknown) => void): () => void;
  /** Returns the path of a file dropped onto the window; only where files have paths. */
  dropped?(file: unknown): Promise<string | null>;
}

export type { Candidate, Preprocess };
