import { expect, it } from 'vitest';
import { prepare } from '../../../../../test/support/prune.ts';
import { kind } from './kind.ts';

it.each(kind.examples.map((e) => [e.name, e] as const))('units have their own word: %s', async (_, e) => {
  const { structures } = await prepare(e.build());
  const words = structures.filter((s) => s.kind === kind).map((s) => s.unit);
  expect(words).toEqual(e.units.map((_, i) => (i === 0 ? 'head' : 'head dimension')));
  expect(structures.filter((s) => s.kind !== kind).every((s) => s.unit === 'channel')).toBe(true);
});
