/** Input schemas of all routes. Input that does not match is refused before a handler runs. */
import { z } from 'zod';
import type { Input, RouteName } from '../../shared/contract/routes.ts';
import type { OutputReading, Recipe } from '../../shared/model/job.ts';
import { READINGS } from '../../shared/model/readings.ts';
import { DEFAULT_PRESET, PRESETS } from '../../shared/model/recipes.ts';
import { recipeSchema } from '../services/recipe-schema.ts';

const path = z
  .string()
  .min(1)
  .max(4096)
  .refine((p) => !p.includes('\0'), 'it has a zero byte');
const none = z.strictObject({});
const count = z.number().int().positive().max(4096);
const provider = z.string().min(1).max(64);
const conditions = { threads: count, batch: count, provider };
const kind = z.enum(['model', 'data', 'labels', 'preprocess', 'folder', 'bundle']);
const id = z.string().min(1).max(64);
const family = z.enum(['cnn', 'vit', 'dual-encoder', 'vlm', 'moe', 'lm', 'diffusion', 'unknown']);
const name = z.string().min(1).max(512);
/** Sizes of dynamic axes by name; audio has millions of samples. */
const dims = z.record(name, z.number().int().positive().max(1e9));
/** Settings of a workload; 0 means off, for example guidance. */
const workload = z.record(name, z.number().int().min(0).max(1e9));
const packaged = { package: path, settings: workload.optional(), family: family.optional(), dims: dims.optional() };
const selection = {
  /** The package says which methods it has. The name becomes part of a folder's name. */
  method: z.string().regex(/^[a-z][a-z0-9-]{0,40}$/, 'it is not the name of a method'),
  keep: z.number().int().positive().max(1e6),
};
const ask = {
  package: path,
  image: path.optional(),
  prompt: z.string().max(100_000).optional(),
  tokens: z.number().int().positive().max(100_000).optional(),
  sampling: z
    .strictObject({
      temperature: z.number().positive().max(100),
      topK: z.number().int().min(0).max(1e6),
      topP: z.number().gt(0).max(1),
      seed: z
        .number()
        .int()
        .min(0)
        .max(2 ** 31 - 1),
    })
    .optional(),
  fewer: z.strictObject(selection).optional(),
  ask: id,
  threads: count,
  provider,
};
const part = z.strictObject({ package: path, component: name, metric: name, settings: workload });
// Requests of earlier versions hold a number of plans, which is no longer an option, no time limit
// for the allocation, and no token method.
const recipe = recipeSchema
  .extend({
    allocationSeconds: recipeSchema.shape.allocationSeconds.default(PRESETS[DEFAULT_PRESET].allocationSeconds),
    tokens: recipeSchema.shape.tokens.default('none'),
    plans: z.number().optional(),
  })
  .transform(({ plans: _, ...rest }): Recipe => rest);

const outputs = z.record(z.string().min(1).max(1024), z.enum(READINGS as [OutputReading, ...OutputReading[]]));
const floor = z
  .strictObject({
    minAgreement: z.number().min(0).max(1),
    maxDrop: z.number().min(0).max(1),
    minPsnrDb: z.number().min(0).max(200),
  })
  .partial();

const budget = z
  .strictObject({
    ms: z.number().positive().max(1e9).optional(),
    ratio: z.number().gt(0).lt(1).optional(),
    percentile: z.union([z.literal(50), z.literal(90), z.literal(95), z.literal(99)]),
    ...conditions,
  })
  .refine((b) => (b.ms === undefined) !== (b.ratio === undefined), 'exactly one of ms and ratio is given');

export const SCHEMAS: { readonly [R in RouteName]: z.ZodType<Input<R>> } = {
  'app.info': none,
  'settings.get': none,
  'settings.set': z
    .strictObject({ theme: z.enum(['system', 'light', 'dark']), threads: count, outFolder: path })
    .partial() as z.ZodType<Input<'settings.set'>>,
  'files.list': z.strictObject({ folder: path.nullable(), kind }),
  'files.pick': z.strictObject({ path }),
  'uploads.begin': z.strictObject({
    files: z.number().int().positive().max(1_000_000),
    bytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  }),
  'uploads.discard': z.strictObject({ id }),
  'files.choose': z.strictObject({ kind }),
  'models.samples': none,
  'models.recent': none,
  'models.forget': z.strictObject({ path }),
  'models.inspect': z.strictObject({ model: path, dims: dims.optional() }) as z.ZodType<Input<'models.inspect'>>,
  'packages.find': z.strictObject({ path }),
  'packages.inspect': z.strictObject(packaged) as z.ZodType<Input<'packages.inspect'>>,
  'packages.use': z.strictObject(packaged) as z.ZodType<Input<'packages.use'>>,
  'packages.measure': z.strictObject({ ...packaged, threads: count, provider }) as z.ZodType<Input<'packages.measure'>>,
  'tokens.look': z.strictObject({ package: path }),
  'tokens.times': z.strictObject({
    package: path,
    method: selection.method.nullable(),
    settings: workload,
    family: family.optional(),
    threads: count,
    provider,
  }) as z.ZodType<Input<'tokens.times'>>,
  'tokens.cells': z.strictObject({ package: path, image: path, ...selection }),
  'tokens.write': z.strictObject({
    package: path,
    ...selection,
    settings: workload,
    image: path.optional(),
    prompt: ask.prompt,
    threads: count,
    provider,
  }) as z.ZodType<Input<'tokens.write'>>,
  'answers.ask': z.strictObject(ask) as z.ZodType<Input<'answers.ask'>>,
  'models.family': z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/, 'it is not a SHA-256'), family }),
  'models.profile': z.strictObject({ model: path, ...conditions, dims: dims.optional() }) as z.ZodType<
    Input<'models.profile'>
  >,
  'devices.list': none,
  'devices.forget': z.strictObject({ id: z.string().min(1).max(200) }),
  'budget.reach': z.strictObject({
    model: path,
    ...conditions,
    dims: dims.optional(),
    part: part.optional(),
    family: family.optional(),
  }) as z.ZodType<Input<'budget.reach'>>,
  'data.preview': z.strictObject({
    model: path,
    data: path,
    labels: path.optional(),
    preprocess: path.optional(),
    outputs: outputs.optional(),
    dims: dims.optional(),
  }) as z.ZodType<Input<'data.preview'>>,
  'recipes.list': none,
  'jobs.start': z.strictObject({
    model: path,
    budget,
    data: path.optional(),
    labels: path.optional(),
    preprocess: path.optional(),
    outputs: outputs.optional(),
    floor: floor.optional(),
    recipe,
    out: path.optional(),
    seed: z
      .number()
      .int()
      .min(0)
      .max(2 ** 31 - 1),
    family: family.optional(),
    dims: dims.optional(),
    part: part.optional(),
  }) as z.ZodType<Input<'jobs.start'>>,
  'jobs.estimate': z.strictObject({ model: path, macs: z.number().nonnegative() }),
  'jobs.list': none,
  'jobs.get': z.strictObject({ id }),
  'jobs.cancel': z.strictObject({ id }),
  'jobs.resume': z.strictObject({ id }),
  'jobs.delete': z.strictObject({ id }),
  'jobs.pause': z.strictObject({ paused: z.boolean() }),
  'review.open': z.strictObject({ job: id }),
  'bundles.list': none,
  'bundles.delete': z.strictObject({ path }),
  'bundles.verify': z.strictObject({ bundle: path }),
  'bundles.reveal': z.strictObject({ path }),
};
