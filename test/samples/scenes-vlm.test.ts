// The committed vision-language sample: both packages open, agree, and answer questions.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  answer,
  embedPrompt,
  emptyCache,
  promptIds,
  runDecoder,
  type VlmSessions,
} from '../../src/main/engine/sample/vlm/answer.ts';
import { pixelValues } from '../../src/main/engine/sample/vlm/batches.ts';
import { configurations } from '../../src/main/engine/sample/vlm/configurations.ts';
import { questionSet } from '../../src/main/engine/sample/vlm/questions.ts';
import { VLM_SIZES, imageTokens } from '../../src/main/engine/sample/vlm/sizes.ts';
import { BOS, IMAGE, decode, encode } from '../../src/main/engine/sample/vlm/vocabulary.ts';
import type { ExecSession, HostTensor } from '../../src/main/engine/executor.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { huggingFaceCoder } from '../../src/main/runtime/generate/hugging-face-coder.ts';

const SAMPLES = resolve(import.meta.dirname, '../../resources/samples');
const PACKAGES = ['scenes-vlm', 'scenes-vlm-gqa'] as const;
const file = (folder: string, name: string): string => join(SAMPLES, folder, 'onnx', `${name}.onnx`);

let sessions: VlmSessions;
let grouped: ExecSession;
beforeAll(async () => {
  const open = (name: string, folder = 'scenes-vlm'): Promise<ExecSession> =>
    createExecutor().openBytes(file(folder, name));
  sessions = {
    vision: await open('vision_encoder'),
    embedding: await open('embed_tokens'),
    decoder: await open('decoder_model_merged'),
  };
  grouped = await open('decoder_model_merged', 'scenes-vlm-gqa');
});
afterAll(async () => {
  for (const s of [...Object.values(sessions), grouped] as ExecSession[]) await s.release();
});

const samples = questionSet(41, 50);
const featuresOf = async (i: number): Promise<HostTensor> =>
  (await sessions.vision.run({ pixel_values: pixelValues([samples[i]!.picture], VLM_SIZES.picture) }))[
    'image_features'
  ]!;
const difference = (a: HostTensor, b: HostTensor): number => {
  expect(a.dims).toEqual(b.dims);
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  return x.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i]!)), 0);
};
const rows = (t: HostTensor, from: number, to: number): HostTensor => {
  const width = t.dims[2]!;
  return { ...t, dims: [1, to - from, width], data: (t.data as Float32Array).slice(from * width, to * width) };
};

it('differs between the two packages in the decoder only', () => {
  for (const name of ['vision_encoder', 'embed_tokens'])
    expect(readFileSync(file(PACKAGES[1], name)).equals(readFileSync(file(PACKAGES[0], name)))).toBe(true);
  for (const folder of PACKAGES)
    for (const [name, content] of Object.entries(configurations(VLM_SIZES)))
      expect(JSON.parse(readFileSync(join(SAMPLES, folder, name), 'utf8')), `${folder}/${name}`).toEqual(
        JSON.parse(JSON.stringify(content)),
      );
  expect(existsSync(join(SAMPLES, 'scenes-vlm/training-log.json'))).toBe(true);
});

it('has a tokenizer that gives the ids of training, and the words back', () => {
  const read = (name: string): object => JSON.parse(readFileSync(join(SAMPLES, 'scenes-vlm', name), 'utf8')) as object;
  const coder = huggingFaceCoder(read('tokenizer.json'), read('tokenizer_config.json'), 'tokenizer.json');
  for (const { question, answer: right } of samples) {
    expect(coder.encode(`<image>${question}?`, true)).toEqual([BOS, IMAGE, ...encode(question)]);
    expect(coder.decode(encode(`${question} ${right}`))).toBe(`${question} ${right}`);
  }
});

it('continues from its cache as it computes the whole sequence, in both forms alike', async () => {
  const { question, answer: right } = samples[0]!;
  const ids = promptIds(`${question} ${right}`, imageTokens(VLM_SIZES));
  const embeds = await embedPrompt(sessions, ids, await featuresOf(0));
  const n = ids.length;
  const ends: HostTensor[] = [];
  for (const decoder of [sessions.decoder, grouped]) {
    const whole = await runDecoder(decoder, embeds, emptyCache(VLM_SIZES));
    const start = await runDecoder(decoder, rows(embeds, 0, n - 2), emptyCache(VLM_SIZES));
    const next = await runDecoder(decoder, rows(embeds, n - 2, n - 1), start.cache);
    const last = await runDecoder(decoder, rows(embeds, n - 1, n), next.cache);
    expect(difference(last.logits, rows(whole.logits, n - 1, n))).toBeLessThan(2e-3);
    ends.push(whole.logits);
  }
  expect(difference(ends[0]!, ends[1]!)).toBeLessThan(2e-3);
});

it('answers questions about unseen pictures', async () => {
  const hits = new Map<string, boolean[]>();
  for (const [i, q] of samples.entries()) {
    const given = decode(await answer(sessions, VLM_SIZES, { features: await featuresOf(i), question: q.question }));
    hits.set(q.type, [...(hits.get(q.type) ?? []), given === q.answer]);
  }
  const share = (list: readonly boolean[]): number => list.filter(Boolean).length / list.length;
  // Without the picture, one place in 36 is right, and about one answer in four of all.
  expect(share(hits.get('where')!)).toBeGreaterThan(0.15);
  expect(share([...hits.values()].flat())).toBeGreaterThan(0.45);
});
