import { expect, it } from 'vitest';
import { answer, embeddings, gap, ints, joinTokens, open, rowOf, type Step } from '../../../../../../test/support/decoder-runs.ts'; // prettier-ignore
import { fusedDecoder, plainDecoder, SMALL } from '../../../../../../test/support/small-decoder.ts';
import type { HostTensor } from '../../../executor.ts';
import { imageNoteOf } from '../../../families/image-tokens.ts';
import type { Model } from '../../../ir/model.ts';
import { keepPositions, movableDecoder } from './keep-positions.ts';

const { width } = SMALL;
/** Two words, nine image tokens of which four stay, three words; then three steps of an answer. */
const [front, features, back] = [embeddings(2, width, 1), embeddings(9, width, 2), embeddings(3, width, 3)];
const KEPT = [1, 4, 5, 8];
const picture = { count: 9, left: KEPT.length, start: 2 };
const words = [4, 5, 6].map((seed) => embeddings(1, width, seed));
const none = { image: [] };

/** Embeddings with one more channel. */
function wide(t: HostTensor, channel: (row: number) => number): HostTensor {
  const rows = t.dims[1]!;
  const data = new Float32Array(rows * (width + 1));
  for (let i = 0; i < rows; i++) {
    data.set((t.data as Float32Array).subarray(i * width, (i + 1) * width), i * (width + 1));
    data[(i + 1) * (width + 1) - 1] = channel(i);
  }
  return { ...t, dims: [1, rows, width + 1], data };
}
const plain = (t: HostTensor): HostTensor => wide(t, () => 0);
const kept = joinTokens(
  KEPT.map((i) => ({ ...features, dims: [1, 1, width], data: (features.data as Float32Array).slice(i * width, (i + 1) * width) })), // prettier-ignore
);
const selected = wide(kept, (k) => 1 + KEPT[k]! - k);
const few: readonly Step[] = [
  { ...none, tokens: joinTokens([plain(front), selected, plain(back)]) },
  ...words.map((w) => ({ ...none, tokens: plain(w) })),
];

/** All tokens, of which attention does not see the dropped ones. */
const visible = Array.from({ length: 17 }, (_, i) => Number(i < 2 || i >= 11 || KEPT.includes(i - 2)));
const all: readonly Step[] = [joinTokens([front, features, back]), ...words].map((tokens, i) => ({
  ...none,
  tokens,
  extra: { attention_mask: ints(visible.slice(0, 14 + i), [1, 14 + i]) },
}));

async function logits(model: Model, steps: readonly Step[]): Promise<HostTensor[]> {
  const run = await open(model);
  const out = await answer(run, steps);
  await run.release();
  return out.map((o) => o['logits']!);
}

const FORMS: readonly (readonly [string, Model, reference: Model])[] = [
  ['positions as an input', plainDecoder(), plainDecoder()],
  ['counted positions', plainDecoder({ odd: 'counted positions' }), plainDecoder()],
  ['GroupQueryAttention that counts', fusedDecoder({ form: 'three inputs' }), plainDecoder()],
  ['GroupQueryAttention with positions', fusedDecoder({ form: 'positions as an input' }), plainDecoder()],
  ['positions outside', fusedDecoder({ form: 'positions outside' }), plainDecoder()],
];

it.each(FORMS)('%s: equals the decoder that reads all tokens and sees those that stay', async (_, model, reference) => {
  const [want, got] = [await logits(reference, all), await logits(keepPositions(model, picture), few)];
  const rows = visible.slice(0, 14).flatMap((v, i) => (v ? [i] : []));
  rows.forEach((row, i) => expect(gap(rowOf(got[0]!, i), rowOf(want[0]!, row)), `row ${row}`).toBeLessThan(1e-5));
  for (const step of [1, 2, 3]) expect(gap(rowOf(got[step]!, -1), rowOf(want[step]!, -1))).toBeLessThan(1e-5);
  // Numbered anew, the tokens mean something else.
  const anew = await logits(
    model,
    [joinTokens([front, kept, back]), ...words].map((tokens) => ({ ...none, tokens })),
  );
  expect(gap(rowOf(anew[0]!, -1), rowOf(want[0]!, 13))).toBeGreaterThan(5e-3);
});

it.each([2, 3])('equals it with two pictures in one prompt, of at most %i', async (most) => {
  const places = [...KEPT, ...KEPT.map((i) => i + 12)].map((i) => i + 2);
  const seen = Array.from({ length: 29 }, (_, i) =>
    Number(i < 2 || (i >= 11 && i < 14) || i >= 23 || places.includes(i)),
  );
  const [first, ...others] = await logits(
    plainDecoder(),
    [joinTokens([front, features, back, features, back]), ...words].map((tokens, i) => ({
      ...none,
      tokens,
      extra: { attention_mask: ints(seen.slice(0, 26 + i), [1, 26 + i]) },
    })),
  );
  const got = await logits(keepPositions(plainDecoder(), { ...picture, most }), [
    { ...none, tokens: joinTokens([plain(front), selected, plain(back), selected, plain(back)]) },
    ...few.slice(1),
  ]);
  const rows = seen.slice(0, 26).flatMap((v, i) => (v ? [i] : []));
  rows.forEach((row, i) => expect(gap(rowOf(got[0]!, i), rowOf(first!, row)), `row ${row}`).toBeLessThan(1e-5));
  others.forEach((t, i) => expect(gap(rowOf(got[i + 1]!, -1), rowOf(t, -1))).toBeLessThan(1e-5));
});

it.each([...FORMS, ['a packed input', fusedDecoder(), null] as const])(
  '%s: a prompt without a picture is read as before',
  async (_, model) => {
    const prompt = joinTokens([front, back]);
    const before = await logits(
      model,
      [prompt, ...words].map((tokens) => ({ ...none, tokens })),
    );
    const after = await logits(keepPositions(model, picture), [prompt, ...words].map((t) => ({ ...none, tokens: plain(t) }))); // prettier-ignore
    before.forEach((t, i) => expect(gap(rowOf(after[i]!, -1), rowOf(t, -1))).toBeLessThan(1e-5));
  },
);

it('notes that its embeddings carry marks, and refuses decoders without rotary positions', () => {
  expect(imageNoteOf(keepPositions(plainDecoder(), picture))).toMatchObject({ route: 'flag', input: 'inputs_embeds', count: 4, cuts: [] }); // prettier-ignore
  const none = plainDecoder({ odd: 'no positions' });
  expect(movableDecoder(none)).toHaveProperty('refused');
  expect(() => keepPositions(none, picture)).toThrow('positions');
  // Answers would read behind the table.
  expect(() => keepPositions(fusedDecoder(), { ...picture, count: 5000 })).toThrow('table of rotary positions');
});
