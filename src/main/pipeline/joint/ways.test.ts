import { describe, expect, it } from 'vitest';
import { whyChosen } from './ways.ts';

const way = (kinds: string[], kl: number, chosen = false, reached = true) => ({
  kinds,
  kl,
  chosen,
  reached,
  ratio: 0.6,
  tokens: kinds.includes('tokens') ? { method: 'pool', keep: 36 } : null,
  components: Object.fromEntries(kinds.filter((k) => k !== 'tokens').map((k) => [k, 0.7])),
});

describe('the reason for a way', () => {
  it('names what each kind of part costs alone', () => {
    const ways = [way(['tokens', 'decoder'], 0.1, true), way(['tokens'], 0.3), way(['decoder'], 0.2, false, false)];
    expect(whyChosen(ways, ['tokens', 'decoder'])).toBe(
      'pool 36, decoder 0.70x changes the answers least of the ways within the budget: KL 0.100. Alone: tokens 0.300, decoder did not reach the budget.',
    );
  });

  it('says that tokens stay where structures are the better way', () => {
    const text = whyChosen([way(['decoder'], 0.1, true), way(['tokens'], 0.9)], ['tokens', 'decoder']);
    expect(text).toMatch(/Alone: tokens 0\.900\. All tokens stay\.$/);
  });

  it('is absent where nothing reached the budget', () => {
    expect(whyChosen([way(['tokens'], 0.1, true, false)], ['tokens'])).toBeNull();
  });
});
