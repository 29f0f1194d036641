/**
 * Facts of a model, kept across jobs: the instrumented run holds every value of the model, and takes longer than a later
 * budget of the same model may.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { everyValue } from '../../engine/ir/bodies.ts';
import type { Facts, TensorFacts } from '../../engine/ir/facts.ts';
import type { Model } from '../../engine/ir/model.ts';
import type { Value } from '../../engine/ir/value.ts';
import { writeModelChunks } from '../../engine/onnx/index.ts';
import { collectFacts } from '../../runtime/facts.ts';
import { runtimeVersion } from '../../runtime/device.ts';
import type { StageContext } from '../context.ts';

/** Raised when facts mean something else than before. */
const VERSION = 4;

/** JSON knows neither infinities nor NaN, which masks are full of. */
interface Kept extends Omit<TensorFacts, 'constant'> {
  readonly constant?: readonly (number | string)[];
}

/** @param sha256 of the file that the model was made of: together with the graph it tells what every value is */
export async function cachedFacts(
  model: Model,
  sha256: string,
  ctx: Pick<StageContext, 'executor' | 'artifact'>,
  batch: number,
): Promise<Facts> {
  let made: Facts | null = null;
  const key = {
    model: sha256,
    graph: structureOf(model),
    batch,
    sizes: Object.fromEntries(model.sizes),
    runtime: runtimeVersion(),
    version: VERSION,
  };
  const dir = await ctx.artifact('facts', key, async (to) => {
    made = await collectFacts(model, ctx.executor, { batch });
    const places = new Map(inOrder(model).map((v, i) => [v, i]));
    await writeFile(join(to, 'facts.json'), JSON.stringify([...made].map(([v, f]) => [places.get(v)!, written(f)])));
  });
  return made ?? read(await readFile(join(dir, 'facts.json'), 'utf8'), model);
}

/** Hash of everything but the contents of large tensors. */
function structureOf(model: Model): string {
  const hash = createHash('sha256');
  const { model: chunks } = writeModelChunks(model, { externalData: { location: 'weights', thresholdBytes: 4096 } });
  for (const c of chunks) hash.update(c);
  return hash.digest('hex');
}

const written = ({ constant, ...f }: TensorFacts): Kept => ({
  ...f,
  ...(constant && { constant: constant.map((x) => (Number.isFinite(x) ? x : String(x))) }),
});

/** Values have their places in the model: names are used again in bodies. */
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
