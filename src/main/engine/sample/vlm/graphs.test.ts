import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExecutor } from '../../../runtime/executor.ts';
import type { ExecSession, HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import { emptyCache, embedPrompt, promptIds, runDecoder, type VlmSessions } from './answer.ts';
import { packedBatch } from './batches.ts';
import { buildDecoder } from './decoder.ts';
import { VLM_SIZES, imageTokens, initialWeights, type VlmSizes } from './sizes.ts';
import { buildPackedModel } from './training.ts';
import { buildEmbedding, buildVisionEncoder } from './vision.ts';
import { encode } from './vocabulary.ts';

const sizes: VlmSizes = {
  ...VLM_SIZES,
  stem: [4, 6, 8, 12],
  visionLayers: 1,
  visionHeads: 2,
  visionHidden: 16,
  width: 64,
  layers: 2,
  hidden: 24,
};
const weights = initialWeights(sizes, 1);
const packing = { pictures: 2, questions: 3, tokens: 8 };
const batch = packedBatch(sizes, packing, 5, 0);

let sessions: VlmSessions;
let grouped: ExecSession;
let packed: ExecSession;
beforeAll(async () => {
  const executor = createExecutor();
  sessions = {
    vision: await executor.open(buildVisionEncoder(sizes, weights)),
    embedding: await executor.open(buildEmbedding(sizes, weights)),
    decoder: await executor.open(buildDecoder(sizes, weights, 'decomposed')),
  };
  grouped = await executor.open(buildDecoder(sizes, weights, 'gqa'));
  packed = await executor.open(buildPackedModel(sizes, weights, packing));
});
afterAll(async () => {
  for (const s of [...Object.values(sessions), grouped, packed] as ExecSession[]) await s.release();
});

const part = (t: HostTensor, from: number, to: number): HostTensor => {
  const width = t.dims[2]!;
  return { ...t, dims: [1, to - from, width], data: (t.data as Float32Array).slice(from * width, to * width) };
};
const difference = (a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (x, i) => Math.abs(Number(x) - Number(b[i]))));
};
/** Embeddings of the first picture's first question with its answer. */
async function example(): Promise<HostTensor> {
  const q = batch.questions[0]!;
  const { image_features: features } = await sessions.vision.run({ pixel_values: batch.feeds.pixel_values });
  const first = { ...features!, dims: [1, ...features!.dims.slice(1)] };
  return embedPrompt(sessions, promptIds(`${q.question} ${q.answer}`, imageTokens(sizes)), first);
}

describe.each(['decomposed', 'gqa'] as const)('the decoder with %s attention', (form) => {
  const decoder = (): ExecSession => (form === 'gqa' ? grouped : sessions.decoder);

  it('continues from its cache as it computes the whole sequence', async () => {
    const embeds = await example();
    const n = embeds.dims[1]!;
    const whole = await runDecoder(decoder(), embeds, emptyCache(sizes));
    const start = await runDecoder(decoder(), part(embeds, 0, n - 2), emptyCache(sizes));
    const next = await runDecoder(decoder(), part(embeds, n - 2, n - 1), start.cache);
    const last = await runDecoder(decoder(), part(embeds, n - 1, n), next.cache);
    expect(difference(last.logits.data, part(whole.logits, n - 1, n).data)).toBeLessThan(1e-4);
    for (const [name, t] of Object.entries(whole.cache))
      expect(difference(last.cache[name]!.data, t.data)).toBeLessThan(1e-4);
  });

  it('gives each packed question the logits of a prompt of its own', async () => {
    const { logits } = await packed.run(batch.feeds);
    const { image_features: features } = await sessions.vision.run({ pixel_values: batch.feeds.pixel_values });
    const [tokens, width] = features!.dims.slice(1) as [number, number];
    for (const i of [0, 2, 4]) {
      const picture = Math.floor(i / packing.questions);
      const q = batch.questions[i]!;
      const own = (features!.data as Float32Array).slice(picture * tokens * width, (picture + 1) * tokens * width);
      const ids = promptIds(`${q.question} ${q.answer}`, tokens);
      const embeds = await embedPrompt(sessions, ids, { ...features!, dims: [1, tokens, width], data: own });
      const alone = await runDecoder(decoder(), embeds, emptyCache(sizes));
      const n = ids.length - 1 - tokens;
      const rows = (logits!.data as Float32Array).subarray(i * packing.tokens * sizes.vocabulary);
      const wanted = part(alone.logits, 1 + tokens, 1 + tokens + n).data;
      expect(difference(rows.subarray(0, n * sizes.vocabulary), wanted)).toBeLessThan(1e-4);
    }
  });
});

it('ignores padding in front in the decomposed form', async () => {
  const embeds = await example();
  const n = embeds.dims[1]!;
  const whole = await runDecoder(sessions.decoder, embeds, emptyCache(sizes));
  const padded = { ...embeds, dims: [1, n + 1, sizes.width], data: new Float32Array((n + 1) * sizes.width) };
  padded.data.set(embeds.data as Float32Array, sizes.width);
  const ints = (f: (i: number) => number): HostTensor => ({
    dtype: DType.INT64,
    dims: [1, n + 1],
    data: BigInt64Array.from({ length: n + 1 }, (_, i) => BigInt(f(i))),
  });
  const { logits } = await sessions.decoder.run({
    inputs_embeds: padded,
    attention_mask: ints((i) => Number(i > 0)),
    position_ids: ints((i) => Math.max(0, i - 1)),
    ...emptyCache(sizes),
  });
  expect(difference(part(logits!, 1, n + 1).data, whole.logits.data)).toBeLessThan(1e-4);
});

it('marks the answers and their ends as targets, with shares that sum to one', () => {
  const { targets, expected, questions, feeds } = batch;
  expect((targets.data as Float32Array).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  const i = 4;
  const tokens = [...encode(questions[i]!.answer), 2];
  expect(expected[i]!.map((e) => e.token)).toEqual(tokens);
  // Each row but the last is followed by its own target.
  const ids = feeds.input_ids.data as BigInt64Array;
  const { row, token } = expected[i]![0]!;
  const asked = packing.questions * packing.tokens;
  expect(Number(ids[Math.floor(row / asked) * (1 + asked) + 1 + (row % asked) + 1])).toBe(token);
});
