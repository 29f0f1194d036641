import { expect, it } from 'vitest';
import { portsText } from './ports.ts';

const cache = (layer: number, kind: string) => ({
  name: `past_key_values.${layer}.${kind}`,
  dtype: 'float32',
  shape: ['batch', 4, 'past', 16],
});

it('names ports that differ only in a number once', () => {
  const ports = [
    { name: 'input_ids', dtype: 'int64', shape: ['batch', 'sequence'] },
    ...[0, 1, 2].flatMap((layer) => [cache(layer, 'key'), cache(layer, 'value')]),
  ];
  expect(portsText(ports)).toBe(
    'input_ids int64[batch, sequence], past_key_values.*.key float32[batch, 4, past, 16] (× 3), past_key_values.*.value float32[batch, 4, past, 16] (× 3)',
  );
  expect(portsText(ports.slice(0, 2))).toContain('past_key_values.0.key float32');
});

it('counts what is beyond a few', () => {
  const ports = 'abcdefg'.split('').map((name) => ({ name, dtype: 'bool', shape: [] }));
  expect(portsText(ports)).toBe('a bool[], b bool[], c bool[], d bool[], e bool[], + 2');
});
