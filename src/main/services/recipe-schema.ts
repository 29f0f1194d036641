/**
 * The schema of a whole recipe: the single description behind recipe files, requests, the window's
 * form and the table in docs/recipes.md.
 */
import { z } from 'zod';
import type { Recipe } from '../../shared/model/job.ts';
import { AUTO } from '../../shared/model/recipes.ts';
import { allAllocationMethods } from '../engine/allocation/methods/registry.ts';
import { allCriteria } from '../engine/criteria/registry.ts';
import { TOKEN_METHODS } from '../engine/structures/tokens/registry.ts';

const share = z.number().gt(0).lte(1);
const whole = z.number().int().positive();
const text = z.string().min(1).max(1000);
/** Names of modules that register themselves by being a file. */
const named = (all: readonly { readonly name: string }[]) => z.enum(all.map((o) => o.name));

export const recipeSchema = z.strictObject({
  name: z.string().min(1).max(200),
  criterion: named([{ name: AUTO }, ...allCriteria()]),
  allocation: named(allAllocationMethods()),
  channels: z.boolean(),
  blocks: z.boolean(),
  tokens: named([{ name: AUTO }, { name: 'none' }, ...TOKEN_METHODS]),
  floor: share,
  freeze: z.array(text).max(10_000),
  keep: z.record(text, share),
  compensation: z.enum(['least-squares', 'bias', 'none']),
  calibrationSamples: whole.max(1_000_000),
  allocationSeconds: z.number().min(0).max(604_800),
  latencyRuns: whole.min(5).max(100_000),
  recovery: z.strictObject({
    enabled: z.boolean(),
    seconds: z.number().min(0).max(604_800),
    optimizer: z.enum(['muon', 'adamw', 'sgd']),
    learningRate: z.union([z.literal('auto'), z.number().gt(0).max(10)]),
    batch: whole.max(65_536),
    temperature: z.number().gt(0).max(100),
    alpha: z.number().min(0).max(1),
    augment: z.boolean(),
    holdout: z.number().gt(0).lt(1),
  }),
});

type Frozen<T> = T extends (infer E)[]
  ? readonly Frozen<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;
/** Evaluates to A when A and B are assignable to each other; any other pair does not compile. */
type Same<A extends B, B extends C, C = A> = A;

/**
 * The `Recipe` type of jobs, checked against the schema: a key that only one of them has does not
 * compile.
 */
export type CheckedRecipe = Same<Frozen<z.infer<typeof recipeSchema>>, Recipe>;
