import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../../test/support/files.ts';
import type { RecipeField } from '../../shared/contract/routes.ts';
import type { Recipe } from '../../shared/model/job.ts';
import { PRESETS } from '../../shared/model/recipes.ts';
import { recipeFields } from './recipe-fields.ts';
import { recipeSchema } from './recipe-schema.ts';
import { allocations, criteria, parseRecipe, tokenChoices } from './recipes.ts';

const presets = Object.values(PRESETS);

describe('the recipe schema', () => {
  it('takes every preset as it is', () => {
    for (const preset of presets) expect(recipeSchema.parse(preset)).toEqual(preset);
  });

  it.each([
    ['{"criterion":"by lot"}', /criterion: .*"taylor"/],
    ['{"allocation":"by lot"}', /allocation: .*"measured"/],
    ['{"allocationSeconds":-1}', /allocationSeconds: /],
    ['{"calibrationSample":1}', /no key "calibrationSample" \(did you mean "calibrationSamples"\?\)/],
    ['{"recovery":{"second":1}}', /no key "recovery.second" \(did you mean "seconds"\?\)/],
  ])('refuses %s', (text, reason) => expect(() => parseRecipe(text, 'r.json')).toThrow(reason));

  it('gives bounds and choices of each key', () => {
    const fields = recipeFields();
    expect(fields['allocationSeconds']).toEqual({ min: 0, max: 604_800 });
    expect(fields['floor']).toEqual({ min: 0, max: 1, above: true });
    expect(fields['recovery.alpha']).toEqual({ min: 0, max: 1 });
    expect(fields['recovery.holdout']).toEqual({ min: 0, max: 1, above: true, below: true });
    expect(fields['recovery.learningRate']).toEqual({ choices: ['auto'], min: 0, max: 10, above: true });
    expect(fields['allocation']).toEqual({ choices: allocations().map((a) => a.name) });
    expect(fields['criterion']).toEqual({ choices: criteria().map((c) => c.name) });
  });
});

/** Returns the rows of the table under a heading, without the header. */
function table(page: string, heading: string): string[][] {
  const lines = page.slice(page.indexOf(`\n## ${heading}\n`)).split('\n');
  const first = lines.findIndex((l) => l.startsWith('|'));
  const rows = lines.slice(
    first,
    lines.findIndex((l, i) => i > first && !l.startsWith('|')),
  );
  return rows.map((l) => l.split('|').slice(1, -1).map((cell) => cell.trim())); // prettier-ignore
}

const number = (n: number): string => n.toLocaleString('en-US');
function range({ min, max, above, below }: RecipeField): string {
  const low = `${above ? 'above ' : ''}${number(min!)}`;
  return below ? `${low}, below ${number(max!)}` : `${low} to ${number(max!)}`;
}

/** Text of the second column in the table of keys. */
function valuesOf(key: string, field: RecipeField): string {
  const said: Record<string, string> = {
    name: 'text',
    criterion: 'a name from the table below, or `auto`',
    freeze: 'list of names',
    keep: 'name to keep ratio, above 0 to 1',
  };
  if (said[key] !== undefined) return said[key];
  const { choices = [] } = field;
  const words = choices.map((c) => (choices.includes('false') ? c : `\`${c}\``));
  return [...words, ...(field.max === undefined ? [] : [range(field)])].join(', ');
}

const at = (recipe: Recipe, key: string): unknown =>
  key.split('.').reduce<unknown>((o, k) => (o as Record<string, unknown>)[k], recipe);

describe('docs/recipes.md', () => {
  const page = readFileSync(resolve(ROOT, 'docs/recipes.md'), 'utf8');
  const [, , ...rows] = table(page, 'Keys');
  const [base, ...keys] = rows.map(([key, values, by]) => ({ key: key!.replaceAll('`', ''), values, by }));
  const fields = recipeFields();

  it('lists the keys of the schema with their values, and base', () => {
    expect(base).toMatchObject({ key: 'base', by: '`balanced`' });
    expect(keys.map((r) => r.key)).toEqual(Object.keys(fields));
    expect(keys.map((r) => [r.key, r.values])).toEqual(Object.entries(fields).map(([k, f]) => [k, valuesOf(k, f)]));
  });

  it('gives the defaults: one for all presets, or those of the table of presets', () => {
    const [header, , ...differing] = table(page, 'Presets');
    expect(header!.slice(1)).toEqual(Object.keys(PRESETS).map((name) => `\`${name}\``));
    const differ = Object.keys(fields).filter((k) => k !== 'name' && new Set(presets.map((p) => String(at(p, k)))).size > 1); // prettier-ignore
    expect(differing).toEqual(differ.map((k) => [`\`${k}\``, ...presets.map((p) => String(at(p, k)))]));
    for (const { key, by } of keys.filter((r) => r.key !== 'name')) {
      const value = at(PRESETS.balanced, key);
      const plain = typeof value === 'number' || typeof value === 'boolean';
      const shown = plain ? String(value) : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
      expect([key, by]).toEqual([key, differ.includes(key) ? 'see above' : shown]);
    }
  });

  it('lists every criterion', () => {
    const [, , ...named] = table(page, 'Criteria');
    const names = criteria().map((c) => `\`${c.name}\``);
    expect(named.map(([name]) => name)).toEqual(names.filter((n) => n !== '`auto`'));
  });
});

it('lists every value of the key tokens with a summary', () => {
  expect(tokenChoices().map((c) => c.name)).toEqual(recipeFields()['tokens']!.choices);
  for (const { summary } of tokenChoices()) expect(summary).toMatch(/^[A-Z]/);
});
