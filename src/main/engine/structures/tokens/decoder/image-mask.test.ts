import { expect, it } from 'vitest';
import { answer, embeddings, ints, joinTokens, open, type Step } from '../../../../../../test/support/decoder-runs.ts';
import { runOnce } from '../../../../../../test/support/prune.ts';
import { DecoderNet, fusedDecoder, plainDecoder, SMALL } from '../../../../../../test/support/small-decoder.ts';
import type { HostTensor } from '../../../executor.ts';
import { int } from '../../../ir/attribute.ts';
import { DType } from '../../../ir/dtype.ts';
import type { Model } from '../../../ir/model.ts';
import { appendFlag, appendMergedFlag, type ImageRoute } from './image-mask.ts';
import { pruneDecoder } from './prune.ts';
import type { TokenCut } from './stage.ts';

const { width } = SMALL;
const cuts: readonly TokenCut[] = [
  { layer: 1, keep: { ratio: 0.5 }, criterion: 'fastv' },
  { layer: 2, keep: { ratio: 0.25 }, criterion: 'feather' },
];
const [words, features, rest] = [embeddings(2, width, 1), embeddings(9, width, 2), embeddings(3, width, 3)];
const prompt = {
  tokens: joinTokens([words, features, rest]),
  image: Array.from({ length: 14 }, (_, i) => i >= 2 && i < 11),
};
const next = { tokens: embeddings(1, width, 4), image: [false] };

/** A component that passes its only input on. */
function passing(name: string): Model {
  const net = new DecoderNet();
  net.output(net.b.op('Identity', [net.input(name, DType.FLOAT, ['batch', 'seq', width])]), 'out');
  return net.model;
}

/** The embeddings with their last channel, as the rewritten components give them. */
async function marked(tokens: HostTensor, flag: 0 | 1): Promise<HostTensor> {
  const model = passing('x');
  appendFlag(model, flag);
  const out = (await runOnce(model, { x: tokens }))['out']!;
  expect(out.dims).toEqual([1, tokens.dims[1]!, width + 1]);
  return out;
}

const DECODERS = [
  ['single operators', plainDecoder()],
  ['GroupQueryAttention', fusedDecoder()],
] as const;

it.each(DECODERS)('%s: the three routes drop the same tokens', async (_name, model) => {
  const run = async (route: ImageRoute, steps: readonly Step[]) => {
    const opened = await open(pruneDecoder(model, cuts, { route, report: true }));
    const out = await answer(opened, steps);
    await opened.release();
    return out;
  };
  const first = await run({ route: 'input' }, [prompt, next]);
  expect(first[0]!['kept_tokens.2']!.dims[0]).toBeLessThan(14);
  expect(await run({ route: 'span', start: 2, count: 9 }, [prompt, next])).toEqual(first);
  const tokens = joinTokens([await marked(words, 0), await marked(features, 1), await marked(rest, 0)]);
  const flagged = [
    { ...prompt, tokens },
    { ...next, tokens: await marked(next.tokens, 0) },
  ];
  expect(await run({ route: 'flag' }, flagged)).toEqual(first);
});

it('an embedding that merges the image itself marks what it chooses', async () => {
  const net = new DecoderNet();
  const { b } = net;
  const ids = net.input('input_ids', DType.INT64, ['batch', 'seq']);
  const images = net.input('image_features', DType.FLOAT, ['rows', width]);
  const isImage = b.equal(ids, b.ints([7]));
  const at = b.op('Max', [
    b.sub(b.op('CumSum', [b.cast(isImage, DType.INT64), b.ints([1])]), b.ints([1])),
    b.ints([0]),
  ]);
  const text = b.op('Gather', [net.weight(8, width), ids], { axis: int(0) });
  const chosen = b.where(b.unsqueeze(isImage, [2]), b.op('Gather', [images, at], { axis: int(0) }), text);
  net.output(chosen, 'inputs_embeds');
  const feeds = {
    input_ids: ints([1, 7, 7, 3], [1, 4]),
    image_features: { ...embeddings(2, width, 1), dims: [2, width] },
  };
  const before = (await runOnce(net.model, feeds))['inputs_embeds']!;
  appendMergedFlag(net.model, images);
  const after = (await runOnce(net.model, feeds))['inputs_embeds']!;
  expect(after.dims).toEqual([1, 4, width + 1]);
  const rows = [0, 1, 2, 3].map((i) =>
    Array.from(after.data as Float32Array).slice(i * (width + 1), (i + 1) * (width + 1)),
  );
  expect(rows.map((r) => r.at(-1))).toEqual([0, 1, 1, 0]);
  expect(rows.flatMap((r) => r.slice(0, -1))).toEqual(Array.from(before.data as Float32Array));
});

it('refuses components that cannot mark their tokens', () => {
  const two = passing('x');
  two.graph.outputs.push(two.graph.outputs[0]!);
  expect(() => appendFlag(two, 1)).toThrow('2 outputs');
  const none = passing('x');
  expect(() => appendMergedFlag(none, none.graph.inputs[0]!)).toThrow('does not choose');
});
