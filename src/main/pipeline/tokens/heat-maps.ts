/**
 * Which regions of pictures survive: the graphs themselves say which tokens they keep, by one more output. A selection
 * behind the encoder depends on the picture, a cut inside the decoder on the prompt too.
 */
import type { HeatMap } from '../../../shared/model/heat-map.ts';
import type { FewerTokensRequest } from '../../../shared/model/fewer-tokens.ts';
import type { Executor, HostTensor } from '../../engine/executor.ts';
import { KEPT } from '../../engine/structures/tokens/after.ts';
import { KeptCells } from '../../engine/structures/tokens/heat-map.ts';
import type { AnswerRunner } from '../../runtime/generate/runner.ts';
import type { StageContext } from '../context.ts';
import { openRunner } from '../prepare/open-runner.ts';
import type { Question } from './compare-answers.ts';
import type { TokenSubject } from './subject.ts';
import type { Variant } from './variants.ts';

/** @returns one for each variant; null for those that keep no token in its place, and without pictures */
export async function heatMaps(
  variants: readonly Variant[],
  questions: readonly Question[],
  { pkg, place }: TokenSubject,
  { provider, threads }: Pick<FewerTokensRequest, 'provider' | 'threads'>,
  ctx: StageContext,
): Promise<(HeatMap | null)[]> {
  const pictured = questions.filter((q): q is Question & { image: string } => q.image !== undefined);
  const maps: (HeatMap | null)[] = [];
  for (const [i, { method, reporting, configs }] of variants.entries()) {
    ctx.progress({ stage: 'answers', message: `regions that ${method} keeps`, done: i / variants.length });
    if (!reporting || !place.grid) {
      maps.push(null);
      continue;
    }
    const cells = new KeptCells(place.grid, place.fixed);
    const seen: Seen = new Map();
    const options = { executor: watched(ctx.executor, seen), provider, threads, replaced: reporting.models(), configs };
    const runner = openRunner(pkg, options);
    try {
      const add = reporting.component === 'encoder' ? addPicture : addPrompt;
      const asked = reporting.component === 'encoder' ? firstOfEach(pictured) : pictured;
      for (const question of asked) await add(cells, runner, seen, question, place.count);
    } finally {
      await runner.close();
    }
    maps.push(cells.map());
  }
  return maps;
}

/** One question about each picture. */
const firstOfEach = <T extends { readonly image: string }>(questions: readonly T[]): T[] => [
  ...new Map(questions.map((q) => [q.image, q])).values(),
];

type Add = (
  cells: KeptCells,
  runner: AnswerRunner,
  seen: Seen,
  question: Question & { readonly image: string },
  count: number,
) => Promise<void>;

/** Tokens that the encoder keeps of every picture or tile that it gets. */
const addPicture: Add = async (cells, runner, seen, { image }) => {
  await runner.encodeImage(image);
  const { dims, data } = seen.get(KEPT)!;
  const width = dims[1]!;
  for (let at = 0; at < data.length; at += width) cells.add(data.subarray(at, at + width) as BigInt64Array);
};

/** Image tokens that are left of a prompt behind the last cut, picture by picture or tile by tile. */
const addPrompt: Add = async (cells, runner, seen, question, count) => {
  const { ids } = await runner.prefillLogits(question);
  const places = runner.imagePlaces(ids);
  const numbers = new Map(places.map((place, number) => [place, number]));
  const last = Math.max(...[...seen.keys()].map((name) => Number(/\.(\d+)$/.exec(name)?.[1] ?? -1)));
  const left = Array.from(seen.get(`${KEPT}.${last}`)!.data as BigInt64Array, Number).flatMap((p) => numbers.get(p) ?? []); // prettier-ignore
  for (let first = 0; first < places.length; first += count)
    cells.add(left.filter((n) => n >= first && n < first + count).map((n) => n - first));
};

/** The newest outputs by which graphs report kept tokens. */
type Seen = Map<string, HostTensor>;

/** An executor whose sessions note those outputs. */
const watched = (executor: Executor, seen: Seen): Executor => ({
  open: async (model, options) => {
    const session = await executor.open(model, options);
    return {
      inputNames: session.inputNames,
      outputNames: session.outputNames,
      outputDtypes: session.outputDtypes,
      run: async (feeds, fetches) => {
        const outputs = await session.run(feeds, fetches);
        for (const [name, value] of Object.entries(outputs)) if (name.startsWith(KEPT)) seen.set(name, value);
        return outputs;
      },
      release: () => session.release(),
    };
  },
});
