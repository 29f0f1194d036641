/** Inputs that data leave out and whose names say what they hold: masks, positions, timesteps. */
import type { Dataset } from '../../data/dataset.ts';
import type { HostTensor } from '../../engine/executor.ts';
import { aboutNamedInput, namedInput } from '../../engine/families/named-inputs.ts';
import type { Model } from '../../engine/ir/model.ts';
import { sizesIn } from '../../runtime/axes.ts';
import { inputShapes } from '../../runtime/random-inputs.ts';
import type { DataInputs } from './data-input.ts';

/** Sentences for a report on the inputs that are filled. */
export const fillNotes = (names: readonly string[]): string[] =>
  names.map((name) => `The data leave ${name} out: it is filled with ${aboutNamedInput(name)}.`);

/**
 * The data with the inputs that they leave out, sized by those that they have.
 * @param dims sizes of dynamic axes, as given
 */
export function withNamedInputs(
  dataset: Dataset,
  model: Model,
  { inputs }: DataInputs,
  dims: Readonly<Record<string, number>> = {},
): Dataset {
  const given = new Set(dataset.inputs);
  if (inputs.every((i) => given.has(i.name))) return dataset;
  const batch = async (indices: readonly number[]) => {
    const sample = await dataset.batch(indices);
    const sizes = { ...dims, ...sizesIn(model, sample) };
    const rows = indices.length;
    const shapes = inputShapes(model, { batch: rows, dims: sizes }).map((s, i) =>
      inputs[i]!.shared ? s : { ...s, dims: [rows, ...s.dims.slice(1)] },
    );
    // In the graph's order, as runs and golden files list them.
    return Object.fromEntries(
      shapes.map((s): [string, HostTensor] => [s.name, sample[s.name] ?? namedInput(s, shapes)!]),
    );
  };
  return {
    ...dataset,
    inputs: inputs.map((i) => i.name),
    name: (i) => dataset.name(i),
    close: () => dataset.close(),
    batch,
  };
}
