/**
 * Facts of a model, cached across jobs. The instrumented run holds every value of the model and
 * would take much of the time of a later budget.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { everyValue } from '../../engine/ir/bodies.ts';
import type { Facts, TensorFacts } from '../../engine/ir/facts.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Value } from '../../engine/ir/value.ts';
import { collectFacts } from '../../runtime/facts.ts';
import type { StageContext } from '../context.ts';
import { input, stage } from '../stage.ts';

/** JSON has no infinities and no NaN, but masks contain both. */
interface Kept extends Omit<TensorFacts, 'constant'> {
  readonly constant?: readonly (number | string)[];
}

/**
 * The graph's key excludes large weights, so the model that it was made from is an input as well.
 */
export const factsStage = stage({
  name: 'facts',
  version: 6,
  inputs: { source: input<Model>(), graph: input<Model>(), batch: input<number>(), runtime: input<string>() },
  run: ({ graph, batch }, ctx: Pick<StageContext, 'executor'>) => collectFacts(graph, ctx.executor, { batch }),
  codec: {
    write: (folder, facts: Facts, { graph }) => {
      const places = new Map(inOrder(graph).map((v, i) => [v, i]));
      const kept = [...facts].map(([v, f]) => [places.get(v)!, written(f)]);
      return writeFile(join(folder, 'facts.json'), JSON.stringify(kept));
    },
    read: async (folder, { graph }, made): Promise<Facts> =>
      made ?? read(await readFile(join(folder, 'facts.json'), 'utf8'), graph),
  },
});

const written = ({ constant, ...f }: TensorFacts): Kept => ({
  ...f,
  ...(constant && { constant: constant.map((x) => (Number.isFinite(x) ? x : String(x))) }),
});

/** Values are identified by position, because names can repeat in bodies. */
const inOrder = (model: Model): Value[] => [...everyValue(model.graph)];

function read(json: string, model: Model): Facts {
  const values = inOrder(model);
  return new Map(
    (JSON.parse(json) as [number, Kept][]).map(([at, { constant, ...f }]) => [
      values[at]!,
      { ...f, ...(constant && { constant: constant.map(Number) }) },
    ]),
  );
}
