import { describe, expect, it } from 'vitest';
import { endTokens, imageToken, mostPositions, settingsNotApplied, startToken } from './settings.ts';

const pkg = (configs: Record<string, unknown>) => ({ components: [], network: 'unknown' as const, configs });

describe('settings of generation', () => {
  it('come from generation_config.json before config.json and its sections', () => {
    const both = pkg({
      'generation_config.json': { eos_token_id: [2, 7] },
      'config.json': { eos_token_id: 3, image_token_index: 4, text_config: { max_position_embeddings: 99 } },
    });
    expect(endTokens(both)).toEqual([2, 7]);
    expect(imageToken(both)).toBe(4);
    expect(mostPositions(both)).toBe(99);
  });
  it('know the sections of encoder-decoder and of onnxruntime-genai packages', () => {
    const nested = pkg({ 'config.json': { decoder: { eos_token_id: 5, bos_token_id: 6, n_positions: 256 } } });
    expect([endTokens(nested), startToken(nested), mostPositions(nested)]).toEqual([[5], 6, 256]);
    const genai = pkg({ 'genai_config.json': { model: { eos_token_id: 8, context_length: 512 } } });
    expect([endTokens(genai), mostPositions(genai)]).toEqual([[8], 512]);
  });
  it('say nothing where no file says it', () => {
    expect([endTokens(pkg({})), startToken(pkg({})), imageToken(pkg({})), mostPositions(pkg({}))]).toEqual([
      [],
      null,
      null,
      null,
    ]);
  });
  it('that are not applied are named, unless they are neutral', () => {
    const config = { num_beams: 4, repetition_penalty: 1, bad_words_ids: [], suppress_tokens: [3] };
    expect(settingsNotApplied(pkg({ 'generation_config.json': config }))).toEqual(['num_beams', 'suppress_tokens']);
  });
});
