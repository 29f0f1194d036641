/** Runs the sample's graphs on a question: the picture is encoded, the prompt is read, and words follow one by one. */
import type { ExecSession, HostTensor } from '../../executor.ts';
import { DType } from '../../ir/dtype.ts';
import { headSize, type VlmSizes } from './sizes.ts';
import { BOS, EOS, IMAGE, encode } from './vocabulary.ts';

export interface VlmSessions {
  readonly vision: ExecSession;
  readonly embedding: ExecSession;
  readonly decoder: ExecSession;
}

const int64 = (values: readonly number[]): HostTensor => ({
  dtype: DType.INT64,
  dims: [1, values.length],
  data: BigInt64Array.from(values, BigInt),
});

/** Ids of a prompt with `tokens` places for the picture. @internal */
export const promptIds = (question: string, tokens: number): number[] => [
  BOS,
  ...Array.from({ length: tokens }, () => IMAGE),
  ...encode(question),
];

/** Embeddings [1, S, width] of the ids; rows of `features` [1, tokens, width] replace those of `<image>`. @internal */
export async function embedPrompt(
  sessions: VlmSessions,
  ids: readonly number[],
  features: HostTensor,
): Promise<HostTensor> {
  // prettier-ignore
  const { inputs_embeds: rows } = await sessions.embedding.run({ input_ids: int64(ids) });
  const width = rows!.dims[2]!;
  const data = Float32Array.from(rows!.data as Float32Array);
  let next = 0;
  ids.forEach((id, i) => {
    if (id === IMAGE) data.set((features.data as Float32Array).subarray(next * width, ++next * width), i * width);
  });
  return { ...rows!, data };
}

export type Cache = Readonly<Record<string, HostTensor>>;

/** A cache of no positions. @internal */
export const emptyCache = (s: VlmSizes): Cache =>
  Object.fromEntries(
    Array.from({ length: s.layers }, (_, l) =>
      ['key', 'value'].map((part) => [
        `past_key_values.${l}.${part}`,
        { dtype: DType.FLOAT, dims: [1, s.kvHeads, 0, headSize(s)], data: new Float32Array() },
      ]),
    ).flat(),
  );

/**
 * One run of the decoder: logits [1, S, vocabulary] of `embeds` behind `past`, the extended cache, and other outputs.
 * @param o.names of the other outputs
 * @param o.positions of the embeddings; default: they count on behind the cache
 * @internal
 */
export async function runDecoder(
  decoder: ExecSession,
  embeds: HostTensor,
  past: Cache,
  o: { readonly names?: readonly string[]; readonly positions?: readonly number[] } = {},
): Promise<{ logits: HostTensor; cache: Cache; others: HostTensor[] }> {
  // prettier-ignore
  const [fresh, before] = [embeds.dims[1]!, Object.values(past)[0]!.dims[2]!];
  const positions = o.positions ?? Array.from({ length: fresh }, (_, i) => before + i);
  const out = await decoder.run({
    inputs_embeds: embeds,
    attention_mask: int64(Array.from({ length: before + fresh }, () => 1)),
    ...(decoder.inputNames.includes('position_ids') && { position_ids: int64(positions) }),
    ...past,
  });
  const cache = Object.fromEntries(
    Object.entries(out).flatMap(([name, t]) =>
      name.startsWith('present.') ? [[name.replace('present', 'past_key_values'), t]] : [],
    ),
  );
  return { logits: out['logits']!, cache, others: (o.names ?? []).map((name) => out[name]!) };
}

/** The most likely tokens, without `<eos>`, at most `limit`. */
export async function answer(
  sessions: VlmSessions,
  s: VlmSizes,
  given: { readonly features: HostTensor; readonly question: string; readonly limit?: number },
): Promise<number[]> {
  const tokens: number[] = [];
  const ids = promptIds(given.question, given.features.dims[1]!);
  let embeds = await embedPrompt(sessions, ids, given.features);
  let past = emptyCache(s);
  while (tokens.length < (given.limit ?? 4)) {
    const { logits, cache } = await runDecoder(sessions.decoder, embeds, past);
    const next = largest((logits.data as Float32Array).subarray(-s.vocabulary));
    if (next === EOS) break;
    tokens.push(next);
    past = cache;
    embeds = (await sessions.embedding.run({ input_ids: int64([next]) }))['inputs_embeds']!;
  }
  return tokens;
}

/** Index of the largest value. */
export function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
