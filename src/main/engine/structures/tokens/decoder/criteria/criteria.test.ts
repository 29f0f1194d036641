import { describe, expect, it } from 'vitest';
import { compare } from '../../../../../../../test/support/decoder-oracle.ts';
import { embeddings, gap, open, rowOf, type Outputs } from '../../../../../../../test/support/decoder-runs.ts';
import { fusedDecoder, plainDecoder, SMALL } from '../../../../../../../test/support/small-decoder.ts';
import { cloneModel } from '../../../../ir/clone.ts';
import type { HostTensor } from '../../../../executor.ts';
import type { Model } from '../../../../ir/model.ts';
import type { Node } from '../../../../ir/node.ts';
import type { Value } from '../../../../ir/value.ts';
import { findDecoder } from '../find.ts';
import { isSkipped } from '../ports.ts';
import { pruneDecoder } from '../prune.ts';
import type { TokenCut } from '../stage.ts';
import { DECODER_CRITERIA } from './registry.ts';

const image = Array.from({ length: 12 }, (_, i) => i + 2);
const prompt = {
  tokens: embeddings(17, SMALL.width, 1),
  image: Array.from({ length: 17 }, (_, i) => image.includes(i)),
};
const model = plainDecoder();
const cut = (criterion: string, count = 4): TokenCut => ({ layer: 2, keep: { count }, criterion });

async function keptBy(cuts: readonly TokenCut[], of: Model = model): Promise<number[]> {
  const run = await open(pruneDecoder(of, cuts, { route: { route: 'input' }, report: true }));
  const out = await run.step(prompt);
  await run.release();
  return Array.from(out[`kept_tokens.${cuts.at(-1)!.layer}`]!.data as BigInt64Array, Number).filter((i) =>
    image.includes(i),
  );
}

/** Runs the whole decoder and gives out inner values, which are found in a copy of it. */
async function inner(
  pick: (layers: readonly { node: Node; query: Value; key: Value }[]) => readonly Value[],
): Promise<HostTensor[]> {
  const { model: copy } = cloneModel(model);
  const decoder = findDecoder(copy);
  if (isSkipped(decoder)) throw new Error(decoder.reason);
  const layers = decoder.layers.map(({ attention: { node, query, key } }) => ({
    node,
    query: query.before!,
    key: key.before!,
  }));
  const values = pick(layers);
  copy.graph.outputs.push(...values);
  const run = await open(copy);
  const out: Outputs = await run.step(prompt);
  await run.release();
  return values.map((v) => out[v.name]!);
}

/** The `count` image tokens with the largest scores, ascending. */
const best = (scores: readonly number[], count: number): number[] =>
  [...image]
    .sort((a, b) => scores[b]! - scores[a]!)
    .slice(0, count)
    .sort((a, b) => a - b);

/** Mean over heads of the last query's row of probabilities [1, h, S, S]. */
function lastRow({ data, dims }: HostTensor): number[] {
  const [, heads, rows, columns] = dims as [number, number, number, number];
  return Array.from({ length: columns }, (_, c) => {
    let sum = 0;
    for (let h = 0; h < heads; h++) sum += Number(data[(h * rows + rows - 1) * columns + c]);
    return sum / heads;
  });
}

describe('criteria', () => {
  it('fastv ranks by the attention of the layer before the cut', async () => {
    const [attention] = await inner((layers) => [layers[1]!.node.output()]);
    expect(await keptBy([cut('fastv')])).toEqual(best(lastRow(attention!), 4));
  });

  it('pyramiddrop ranks by the attention that the layer behind the cut would have', async () => {
    const [attention] = await inner((layers) => [layers[2]!.node.output()]);
    expect(await keptBy([cut('pyramiddrop')])).toEqual(best(lastRow(attention!), 4));
  });

  it('feather ranks by attention on image tokens without positions, and keeps a grid at the first cut', async () => {
    const [q, k] = await inner((layers) => [layers[1]!.query, layers[1]!.key]);
    const { heads, groups, size } = SMALL;
    const scores = new Array<number>(17).fill(0);
    for (let h = 0; h < heads; h++) {
      const g = Math.floor((h * groups) / heads);
      const products = image.map((i) => {
        let sum = 0;
        for (let d = 0; d < size; d++)
          sum += Number(q!.data[(h * 17 + 16) * size + d]) * Number(k!.data[(g * 17 + i) * size + d]);
        return Math.exp(sum / Math.sqrt(size));
      });
      const total = products.reduce((a, b) => a + b, 0);
      image.forEach((i, at) => (scores[i]! += products[at]! / total / heads));
    }
    // Rows 0 and columns 0 and 3 of a grid with four columns: the tokens 0 and 3 of the image.
    const grid = [image[0]!, image[3]!];
    const wanted = [...new Set([...best(scores, 4), ...grid])].sort((a, b) => a - b);
    expect(await keptBy([{ ...cut('feather'), columns: 4 }])).toEqual(wanted);
  });

  it('uniform spaces tokens evenly, and random keeps the same ones for the same seed', async () => {
    expect(await keptBy([cut('uniform')])).toEqual([4, 7, 10, 13]);
    const seeds = await Promise.all([1, 1, 2].map((seed) => keptBy([{ ...cut('random'), seed }])));
    expect(seeds[0]).toEqual(seeds[1]);
    expect(seeds[0]).not.toEqual(seeds[2]);
    expect(seeds[0]).toHaveLength(4);
  });

  it.each(DECODER_CRITERIA.map((c) => c.name))('%s chooses alike in both exports of one decoder', async (criterion) => {
    const cuts: TokenCut[] = [1, 3].map((layer, i) => ({ layer, keep: { ratio: 0.5 / (i + 1) }, criterion }));
    const fused = fusedDecoder({ form: 'three inputs' });
    expect(await keptBy(cuts)).toEqual(await keptBy(cuts, fused));
    const { error } = await compare(fused, cuts, prompt, []);
    expect(error).toBeLessThan(1e-4);
  });
});

it('both exports of the small decoder compute the same', async () => {
  const runs = await Promise.all([open(model), open(fusedDecoder({ form: 'three inputs' }))]);
  const [a, b] = await Promise.all(runs.map((r) => r.step(prompt)));
  expect(gap(rowOf(a!['logits']!, -1), rowOf(b!['logits']!, -1))).toBeLessThan(1e-4);
  await Promise.all(runs.map((r) => r.release()));
});
