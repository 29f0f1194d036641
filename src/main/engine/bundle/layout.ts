/**
 * The layout of a bundle: an ONNX Runtime model package (schema 1.0, portable). manifest.json and component.json hold
 * only keys of that schema, which rejects unknown ones. Our own facts are under `additional_metadata.secateur`. Source:
 * microsoft/onnxruntime, model_package/README.md and onnxruntime/core/session/model_package/README.md.
 */
import type { LatencyVerdict, OutputMeaning, Preprocess, Quality, WorkloadResult } from '../../../shared/model/job.ts';
import type { Budget, DeviceProfile, LatencyStats, Provenance } from '../../../shared/model/types.ts';
import type { TimedPhase } from '../latency/phases.ts';

const SCHEMA_VERSION = '1.0';
/** Version of the data under additional_metadata.secateur. */
export const FORMAT = 1;
export const MANIFEST = 'manifest.json';
const COMPONENT = 'model';
export const COMPONENT_DIR = `models/${COMPONENT}`;
export const SUFFIX = '.ortpackage';

export interface FileEntry {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

export interface BundleMeasure {
  readonly latency: LatencyStats;
  readonly macs: number;
  readonly params: number;
  /** The model file with its external data. */
  readonly bytes: number;
  readonly quality: Quality | null;
}

/** Our facts about a bundle, in its manifest. */
export interface BundleFacts {
  readonly format: typeof FORMAT;
  readonly created: string;
  /** Every file but manifest.json, by path with forward slashes. */
  readonly files: Readonly<Record<string, FileEntry>>;
  readonly device: DeviceProfile;
  readonly budget: Budget;
  readonly budgetMs: number;
  readonly met: boolean;
  readonly latency?: LatencyVerdict;
  /** For a component of a package: the verdict on a use of the package, which decides about the budget. */
  readonly workload?: Omit<WorkloadResult, 'package'>;
  /** Phases whose weighted sum is the component's latency. */
  readonly phases?: readonly TimedPhase[];
  /** False for a result that should not be relied on; `reasons` says why. */
  readonly accepted: boolean;
  readonly experimental: boolean;
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
  /** How outputs were interpreted. */
  readonly outputs: readonly OutputMeaning[];
  readonly measurements: {
    readonly original: BundleMeasure;
    readonly pruned: BundleMeasure;
    /** Time of a small fixed network in the same minute, which shows how fast the machine was then. */
    readonly yardstickMs: number;
    /** Half-width of the yardstick's interval. */
    readonly yardstickNoiseMs?: number;
    readonly provenance: Provenance;
  };
  /** null where the data were not preprocessed, or there were none. */
  readonly preprocess: Preprocess | null;
  /** Paths of the other parts. */
  readonly parts: {
    readonly recipe: string;
    readonly plan: string;
    readonly report: string;
    readonly golden: string;
    readonly labels: string | null;
    readonly preprocess: string | null;
    readonly card: string;
    readonly licences: string;
  };
}

export interface Manifest {
  readonly schema_version: typeof SCHEMA_VERSION;
  readonly package_name: string;
  readonly package_version: string;
  readonly description: string;
  readonly layout: 'portable';
  readonly components: Readonly<Record<string, string>>;
  readonly additional_metadata: { readonly secateur: BundleFacts };
}

export interface Component {
  readonly component_name: string;
  readonly variants: Readonly<
    Record<
      string,
      {
        readonly variant_directory: string;
        readonly ep: string;
        readonly device: 'cpu' | 'gpu' | 'npu';
        readonly executor_info: { readonly ort: { readonly model_file: string } };
        readonly additional_metadata: { readonly secateur: { readonly threads: number; readonly batch: number } };
      }
    >
  >;
}

const PROVIDERS: Record<string, readonly [ep: string, device: 'cpu' | 'gpu' | 'npu']> = {
  cpu: ['CPUExecutionProvider', 'cpu'],
  cuda: ['CUDAExecutionProvider', 'gpu'],
  tensorrt: ['TensorrtExecutionProvider', 'gpu'],
  dml: ['DmlExecutionProvider', 'gpu'],
  webgpu: ['WebGpuExecutionProvider', 'gpu'],
  coreml: ['CoreMLExecutionProvider', 'npu'],
  qnn: ['QNNExecutionProvider', 'npu'],
};

/** The component's only variant: the provider that the budget was measured on. */
export function buildComponent(provider: string, threads: number, batch: number): Component {
  const [ep, device] = PROVIDERS[provider] ?? [provider, 'cpu'];
  return {
    component_name: COMPONENT,
    variants: {
      [provider]: {
        variant_directory: provider,
        ep,
        device,
        executor_info: { ort: { model_file: 'model.onnx' } },
        additional_metadata: { secateur: { threads, batch } },
      },
    },
  };
}

export function buildManifest(name: string, version: string, description: string, facts: BundleFacts): Manifest {
  return {
    schema_version: SCHEMA_VERSION,
    package_name: name,
    package_version: version,
    description,
    layout: 'portable',
    components: { [COMPONENT]: COMPONENT_DIR },
    additional_metadata: { secateur: facts },
  };
}

/** Name suffix of a result that is not accepted. */
export const EXPERIMENTAL = '-experimental';

/** Makes a name that is a valid file name on every system. */
export function safeName(name: string): string {
  const clean = name
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 80);
  return clean === '' || /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(clean) ? `model-${clean}`.replace(/-$/, '') : clean;
}

/** JSON with a line break at the end; `undefined` members are left out. */
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
