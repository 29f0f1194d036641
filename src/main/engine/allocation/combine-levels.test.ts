import { describe, expect, it } from 'vitest';
import { combinationsWithin, combinedMs } from './combine-levels.ts';

const phases = [
  { name: 'vision', ms: 2 },
  { name: 'prefill', ms: 8 },
];
const whole = { cost: 0, ratios: {} };

describe('levels of the parts of a package', () => {
  it('multiply in the phases that they share, and their costs add up', () => {
    const tokens = { cost: 0.5, ratios: { prefill: 0.5 } };
    const decoder = { cost: 0.25, ratios: { prefill: 0.75 } };
    expect(combinedMs(phases, [tokens, decoder])).toBeCloseTo(2 + 8 * 0.375);
    const [best] = combinationsWithin([[whole, tokens], [whole, decoder]], phases, 5.5); // prettier-ignore
    expect(best).toMatchObject({ levels: [tokens, decoder], cost: 0.75 });
  });

  it('are chosen by the least cost within the time', () => {
    const tokens = { cost: 0.5, ratios: { prefill: 0.5 } };
    const decoder = { cost: 0.25, ratios: { prefill: 0.75 } };
    const found = combinationsWithin([[whole, tokens], [whole, decoder]], phases, 8); // prettier-ignore
    expect(found.map((c) => c.cost)).toEqual([0.25, 0.5, 0.75]);
    expect(combinationsWithin([[whole], [whole]], phases, 9)).toEqual([]);
  });
});
