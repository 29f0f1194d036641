/**
 * Loads recipes by name or file. Files are checked strictly, because a silently ignored key would
 * give a wrong result.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { SecateurError } from '../../shared/contract/errors.ts';
import { allAllocationMethods } from '../engine/allocation/methods/registry.ts';
import { allCriteria } from '../engine/criteria/registry.ts';
import { TOKEN_METHODS } from '../engine/structures/tokens/registry.ts';
import type { Recipe } from '../../shared/model/job.ts';
import { AUTO, DEFAULT_PRESET, PRESETS } from '../../shared/model/recipes.ts';
import type { PresetName } from '../../shared/model/recipes.ts';
import { recipeSchema, type CheckedRecipe } from './recipe-schema.ts';
import { closest } from './suggest.ts';

const RecipeFile = recipeSchema
  .extend({
    recovery: recipeSchema.shape.recovery.partial(),
    /** The preset that fills what the file leaves out. */
    base: z.enum(Object.keys(PRESETS) as [PresetName, ...PresetName[]]),
  })
  .partial();

/** All criteria with a summary and their requirements, for lists of choices. */
export const criteria = (): { name: string; summary: string; needs: string }[] => [
  { name: AUTO, summary: 'OSSCAR for small models with data, L2 for large ones and without', needs: 'none' },
  ...allCriteria().map(({ name, summary, needs }) => ({ name, summary, needs })),
];

/** All allocation methods with a summary, for lists of choices. */
export const allocations = (): { name: string; summary: string }[] =>
  allAllocationMethods().map(({ name, summary }) => ({ name, summary }));

/** All values of the recipe key `tokens` with a summary, for lists of choices. */
export const tokenChoices = (): { name: string; summary: string }[] => [
  { name: AUTO, summary: 'Compares fewer tokens with other structures, where the model is a transformer and has data' },
  { name: 'none', summary: 'All tokens stay' },
  ...TOKEN_METHODS.map(({ name, summary }) => ({ name, summary })),
];

/** Loads a preset by name or a JSON file by path. Throws `recipe-not-found` or `recipe-invalid`. */
export function loadRecipe(nameOrPath: string | undefined, cwd: string): Recipe {
  const name = nameOrPath ?? DEFAULT_PRESET;
  if (Object.hasOwn(PRESETS, name)) return PRESETS[name as PresetName];
  if (!/[\\/]|\.json$/i.test(name)) {
    throw new SecateurError('recipe-not-found', { name, known: Object.keys(PRESETS).join(', ') });
  }
  const path = resolve(cwd, name);
  return parseRecipe(readText(path), path);
}

/** @internal */
export function parseRecipe(text: string, path: string): CheckedRecipe {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (e) {
    throw new SecateurError('recipe-invalid', { path, reason: `it is not JSON (${(e as Error).message})` });
  }
  const parsed = RecipeFile.safeParse(json);
  if (!parsed.success) throw new SecateurError('recipe-invalid', { path, reason: explain(parsed.error) });
  const { base, recovery, ...rest } = parsed.data;
  const from = PRESETS[base ?? DEFAULT_PRESET];
  return { ...from, name: 'custom', ...defined(rest), recovery: { ...from.recovery, ...defined(recovery ?? {}) } };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw new SecateurError('file-not-found', { path });
    throw new SecateurError('file-unreadable', { path, reason: (e as Error).message }, { cause: e });
  }
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
function defined<T extends object>(o: T): Defined<T> {
  return Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined)) as Defined<T>;
}

function explain(error: z.ZodError): string {
  const known = { '': Object.keys(RecipeFile.shape), recovery: Object.keys(recipeSchema.shape.recovery.shape) };
  return error.issues
    .slice(0, 3)
    .map((issue) => {
      const at = issue.path.join('.');
      if (issue.code !== 'unrecognized_keys')
        return at === '' ? lower(issue.message) : `${at}: ${lower(issue.message)}`;
      return issue.keys
        .map((key) => {
          const like = closest(key, at === 'recovery' ? known.recovery : known['']);
          const full = at === '' ? key : `${at}.${key}`;
          return like ? `there is no key "${full}" (did you mean "${like}"?)` : `there is no key "${full}"`;
        })
        .join(', ');
    })
    .join('; ');
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
