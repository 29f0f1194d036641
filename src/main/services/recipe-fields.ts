/**
 * Derives the allowed values of each recipe key from the schema, for the window's form and the
 * table in the documentation.
 */
import { z } from 'zod';
import type { RecipeField } from '../../shared/contract/routes.ts';
import { recipeSchema } from './recipe-schema.ts';

/** The subset of JSON Schema that the recipe's types use. */
interface Described {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Described[];
  readonly properties?: Readonly<Record<string, Described>>;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/**
 * Fields by key, in the order of the schema; keys of a nested object are written as
 * `recovery.seconds`.
 */
export function recipeFields(): Readonly<Record<string, RecipeField>> {
  const fields = (schema: Described, prefix: string): [string, RecipeField][] =>
    Object.entries(schema.properties ?? {}).flatMap(([key, s]) =>
      s.properties ? fields(s, `${prefix}${key}.`) : [[`${prefix}${key}`, fieldOf(s)]],
    );
  return Object.fromEntries(fields(z.toJSONSchema(recipeSchema) as Described, ''));
}

function fieldOf(s: Described): RecipeField {
  if (s.anyOf) return Object.assign({}, ...s.anyOf.map(fieldOf)) as RecipeField;
  if (s.const !== undefined) return { choices: [String(s.const)] };
  if (s.enum) return { choices: s.enum.map(String) };
  if (s.type === 'boolean') return { choices: ['true', 'false'] };
  if (s.type !== 'number' && s.type !== 'integer') return {};
  const whole = s.type === 'integer';
  // For whole numbers, the next number after an excluded bound is the bound.
  const least = s.exclusiveMinimum !== undefined && whole ? s.exclusiveMinimum + 1 : s.exclusiveMinimum;
  const min = Math.max(least ?? -Infinity, s.minimum ?? -Infinity);
  const max = Math.min(s.exclusiveMaximum ?? Infinity, s.maximum ?? Infinity);
  return {
    ...(min > -Infinity && { min }),
    ...(max < Infinity && { max }),
    ...(!whole && min === s.exclusiveMinimum && { above: true as const }),
    ...(max === s.exclusiveMaximum && { below: true as const }),
    ...(whole && { whole: true as const }),
  };
}
