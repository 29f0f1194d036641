/**
 * Fills inputs that the data omit and whose names state their content: masks, positions, timesteps,
 * and empty caches.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Sample } from '../../data/input-spec.ts';
import type { HostTensor } from '../../engine/executor.ts';
import { aboutNamedInput, CACHE_AXIS, isCache, namedInput } from '../../engine/families/named-inputs.ts';
import type { Model } from '../../engine/ir/model.ts';
import { sizesIn } from '../../runtime/axes.ts';
import { inputShapes, randomTensor, type InputShape } from '../../runtime/random-inputs.ts';
import type { DataInput, DataInputs } from './data-input.ts';

type Dims = Readonly<Record<string, number>>;

/** Whether data may omit an input. @param dims sizes of dynamic axes, as given */
export const mayLeaveOut = (input: DataInput, dims: Dims): boolean =>
  aboutNamedInput(input.name) !== null || emptyAxis(input, dims) !== null;

/**
 * Name of the axis along which a cache may have no tokens; null when its length is fixed or given,
 * or the input is not a cache.
 */
function emptyAxis(input: InputShape, dims: Dims): string | null {
  const name = isCache(input) ? (input.dynamic[CACHE_AXIS] ?? null) : null;
  return name !== null && !dims[name] ? name : null;
}

/** Sentences for a report on the filled inputs. */
export function fillNotes(inputs: readonly DataInput[]): string[] {
  const caches = inputs.filter(isCache);
  const others = inputs.filter((i) => !isCache(i));
  return [
    ...others.map((i) => `The data leave ${i.name} out: it is filled with ${aboutNamedInput(i.name)}.`),
    ...(caches.length > 0 ? [`The data leave ${caches.length} caches out: they are empty.`] : []),
  ];
}

/**
 * Adds the inputs that the data omit, with sizes derived from the inputs they have.
 * @param dims sizes of dynamic axes, as given
 * @param path path of the data, for the message
 * @throws 'data-input-missing' when the data have only some of the caches
 */
export function withNamedInputs(
  dataset: Dataset,
  model: Model,
  { inputs }: DataInputs,
  { dims = {}, path }: { readonly dims?: Dims | undefined; readonly path: string },
): Dataset {
  const given = new Set(dataset.inputs);
  const left = inputs.filter((i) => !given.has(i.name));
  if (left.length === 0) return dataset;
  const caches = left.filter(isCache);
  if (caches.length > 0 && inputs.some((i) => isCache(i) && given.has(i.name)))
    throw new SecateurError('data-input-missing', {
      path,
      names: caches.map((i) => i.name).join(', '),
      inputs: inputs.map((i) => i.name).join(', '),
    });
  const empty = Object.fromEntries(caches.map((i) => [emptyAxis(i, dims)!, 0]));
  const batch = async (indices: readonly number[]) => {
    const sample = await dataset.batch(indices);
    const sizes = { ...dims, ...empty, ...sizesIn(model, sample) };
    const rows = indices.length;
    const shapes = inputShapes(model, { batch: rows, dims: sizes }).map((s, i) =>
      inputs[i]!.shared ? s : { ...s, dims: [rows, ...s.dims.slice(1)] },
    );
    const filled = (s: InputShape): HostTensor => namedInput(s, shapes) ?? randomTensor(s.dtype, s.dims);
    // In the graph's order, as runs and golden files list them.
    return Object.fromEntries(shapes.map((s): [string, HostTensor] => [s.name, sample[s.name] ?? filled(s)]));
  };
  return {
    ...dataset,
    inputs: inputs.map((i) => i.name),
    name: (i) => dataset.name(i),
    close: () => dataset.close(),
    batch,
  };
}

/**
 * Shapes of all inputs whose sizes follow from the data: inputs in the data, empty caches, and
 * filled inputs whose sizes depend on these, such as the length of a mask.
 */
export function shapesFrom(
  sample: Sample,
  model: Model,
  filled: readonly DataInput[],
  dims: Dims = {},
): Record<string, readonly number[]> {
  const follow = new Set(filled.filter((i) => !isCache(i)).map((i) => i.name));
  const own = Object.fromEntries(Object.entries(sample).filter(([name]) => !follow.has(name)));
  const sizes = { ...dims, ...sizesIn(model, own) };
  // A size that changes with the guess is itself a guess.
  const [one, other] = [0, 1].map((attempt) => inputShapes(model, { dims: sizes }, attempt));
  const known = one!.filter((s, i) => follow.has(s.name) && s.dims.join() === other![i]!.dims.join());
  return Object.fromEntries([...Object.entries(own), ...known.map((s) => [s.name, s] as const)].map(([n, t]) => [n, t.dims])); // prettier-ignore
}
