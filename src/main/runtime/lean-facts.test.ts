import { expect, it } from 'vitest';
import { plainExecutor } from '../../../test/support/executor.ts';
import { plainDecoder } from '../../../test/support/small-decoder.ts';
import { smallEncoder } from '../../../test/support/small-encoder.ts';
import { collectFacts } from './facts.ts';

it.each([
  ['an encoder', smallEncoder({ side: 16, patches: 4, classToken: true, gathers: true })],
  ['a decoder', plainDecoder({ layers: 2 })],
])('lean facts of %s have the shapes, types and constants of full ones', async (_, model) => {
  const full = await collectFacts(model, plainExecutor);
  const lean = await collectFacts(model, plainExecutor, { lean: true });
  expect(lean.size).toBe(full.size);
  for (const [value, fact] of full) {
    const { shape, dtype, constant } = lean.get(value)!;
    expect([shape, dtype, constant], value.name).toEqual([fact.shape, fact.dtype, fact.constant]);
  }
  const [input] = model.graph.inputs;
  expect(lean.get(input!)!.dynamic).toEqual(full.get(input!)!.dynamic);
});
