/**
 * Schemas of a bundle's JSON files. They are strict, as ONNX Runtime's own parser is: an unknown
 * key is an error.
 */
import { z } from 'zod';

const text = z.string().min(1).max(4096);
const number = z.number();
const path = z.string().min(1).max(1024);
const fileEntry = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) });

const latency = z.looseObject({
  p50Ms: number.positive(),
  p95Ms: number.positive(),
  runs: z.int().positive(),
  batch: z.int().positive(),
  threads: z.int().positive(),
  provider: text,
});
const measure = z.looseObject({
  latency,
  macs: number.min(0),
  params: number.min(0),
  bytes: z.int().positive(),
  quality: z.looseObject({ samples: z.int().min(0) }).nullable(),
});

const verdict = z.looseObject({
  verdict: z.enum(['met', 'missed', 'too-close']),
  low: number,
  // JSON has no infinity; a single opening gives no interval.
  high: number.nullable(),
});

const phaseMs = z.looseObject({
  name: text,
  component: text,
  weight: number.positive(),
  beforeMs: number.min(0),
  afterMs: number.min(0),
});

/** The verdict on a use of the package that contains the model. */
const workload = z.looseObject({
  component: text,
  metric: text,
  about: text,
  beforeMs: number.positive(),
  afterMs: number.positive(),
  budgetMs: number.positive(),
  phases: z.array(phaseMs).min(1).max(1000),
  latency: verdict,
});

/** Sizes at which the model was measured, and the share of its runs. */
const timedPhase = z.looseObject({
  name: text,
  dims: z.record(text, z.int().min(0)),
  weight: number.positive().max(1),
});

const facts = z.looseObject({
  format: z.literal(1),
  created: text,
  files: z.record(path, fileEntry).refine((f) => Object.keys(f).length <= 10_000, 'too many files'),
  device: z.looseObject({ id: text, name: text, processor: z.string(), runtime: z.string() }),
  budget: z.looseObject({ percentile: z.literal([50, 90, 95, 99]), batch: z.int().positive(), provider: text }),
  budgetMs: number.positive(),
  met: z.boolean(),
  // Absent in bundles of earlier versions.
  latency: verdict.optional(),
  // For a component of a package: the use decides whether the budget is met.
  workload: workload.optional(),
  phases: z.array(timedPhase).min(1).max(1000).optional(),
  // Bundles of earlier versions were not judged.
  accepted: z.boolean().optional(),
  measurements: z.looseObject({
    original: measure,
    pruned: measure,
    // Absent in bundles of earlier versions.
    yardstickMs: number.positive().optional(),
    yardstickNoiseMs: number.min(0).optional(),
    provenance: z.looseObject({
      kind: z.enum(['measured', 'fitted', 'guessed']),
      processor: z.string(),
      runtime: z.string(),
      date: text,
    }),
  }),
  preprocess: z.looseObject({}).nullable(),
  parts: z.looseObject({
    recipe: path,
    plan: path,
    report: path,
    golden: path,
    labels: path.nullable(),
    preprocess: path.nullable(),
    card: path,
    licences: path,
  }),
});

export const manifestSchema = z.strictObject({
  schema_version: z.string().regex(/^1\.\d+$/, 'only schema version 1 is known'),
  package_name: text,
  package_version: text,
  description: z.string().optional(),
  layout: z.literal('portable').optional(),
  components: z.record(text, path).refine((c) => Object.keys(c).length === 1, 'exactly one component is expected'),
  additional_metadata: z.looseObject({ secateur: facts }),
});
export type ManifestFile = z.infer<typeof manifestSchema>;

export const componentSchema = z.strictObject({
  component_name: z.string().optional(),
  variants: z
    .record(
      text,
      z.strictObject({
        variant_directory: path.optional(),
        ep: z.string().optional(),
        device: z.enum(['cpu', 'gpu', 'npu']).optional(),
        compatibility_string: z.string().optional(),
        executor_info: z.looseObject({ ort: z.strictObject({ model_file: path }) }),
        additional_metadata: z.looseObject({}).optional(),
      }),
    )
    .refine((v) => Object.keys(v).length >= 1, 'there is no variant'),
  additional_metadata: z.looseObject({}).optional(),
});

/** The parts of the report that verify compares with the manifest. */
export const reportSchema = z.looseObject({
  met: z.boolean(),
  latency: verdict.optional(),
  budgetMs: number.positive(),
  result: z.looseObject({ p50Ms: number.positive() }),
  workload: workload.optional(),
});

const goldenTensor = z.strictObject({ name: text, file: path });
export const goldenSchema = z.strictObject({
  rtol: number.min(0).max(0.05),
  atol: z.record(z.string(), number.min(0)),
  origin: z.enum(['data', 'seeded']),
  seed: number,
  random: z.literal(true).optional(),
  randomOutputs: z.array(text).min(1).max(256).optional(),
  sizes: z
    .array(z.record(text, number.int().min(1).max(65536)))
    .max(64)
    .optional(),
  cases: z
    .array(z.strictObject({ inputs: z.array(goldenTensor).max(64), outputs: z.array(goldenTensor).min(1).max(256) }))
    .min(1)
    .max(64),
});

/** Text of the first validation problem. */
export function problemOf(error: z.ZodError): string {
  const i = error.issues[0]!;
  return `${i.path.length ? `${i.path.join('.')}: ` : ''}${i.message}`;
}

export const MANIFEST_LIMIT = 16 * 2 ** 20;
