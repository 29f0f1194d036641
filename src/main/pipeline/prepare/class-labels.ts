/**
 * Checks labels against a model's classes. A label outside of them is reported before any
 * computation uses it.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { OutputReading } from '../../../shared/model/job.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Model } from '../../engine/ir/model.ts';
import { labelledOutput } from '../../engine/heads/support/labelled.ts';
import { outputOf } from '../../engine/heads/support/output.ts';

type Readings = Readonly<Record<string, OutputReading>>;

/** The largest label; null without labels. */
export const largestLabel = (dataset: Pick<Dataset, 'labels'> | null | undefined): number | null =>
  dataset?.labels ? dataset.labels.reduce((a, b) => Math.max(a, b), -1) : null;

/**
 * The output that labels are compared with, when it is known without a run: from the graph's end, a
 * name, the user, or because there is only one output. Null when a run is needed: several outputs
 * without any hint, and open sizes.
 * @internal
 */
export function classOutput(
  model: Model,
  given: Readings = {},
  largest: number = -1,
): { name: string; classes: number } | null {
  const outputs = model.graph.outputs.flatMap((v) => {
    const shape = v.type?.shape;
    if (!v.type || !shape) return [];
    // The batch may be open; other open sizes are not known yet.
    const dims = shape.map((d, axis) => (typeof d === 'number' ? d : axis === 0 ? 1 : 0));
    return dims.includes(0) ? [] : [outputOf(v, { dims, dtype: v.type.elemType })];
  });
  const found = labelledOutput(outputs, { largestLabel: largest, given });
  const plain = found && (found.told || model.graph.outputs.length === 1);
  return plain && Number.isFinite(found.classes) ? { name: found.name, classes: found.classes } : null;
}

/**
 * @param path path of the labels or data, for the message
 * @throws 'data-labels' with the first sample whose label is outside the classes, and how many
 * there are
 */
export function requireLabelsWithin(
  dataset: Pick<Dataset, 'labels' | 'name'>,
  model: Model,
  o: { readonly path: string; readonly outputs?: Readings | undefined },
): void {
  const { labels } = dataset;
  if (!labels) return;
  const output = classOutput(model, o.outputs, largestLabel(dataset)!);
  if (output) requireLabelsIn(dataset, output, o.path);
}

/** @throws 'data-labels' when a label is outside these classes */
export function requireLabelsIn(
  { labels, name }: Pick<Dataset, 'labels' | 'name'>,
  output: { readonly name: string; readonly classes: number },
  path: string,
): void {
  if (!labels) return;
  const outside = (label: number): boolean => label < 0 || label >= output.classes;
  const first = labels.findIndex(outside);
  if (first < 0) return;
  const count = labels.reduce((n, label) => n + Number(outside(label)), 0);
  const others = count > 1 ? `; ${count} of ${labels.length} labels are outside` : '';
  throw new SecateurError('data-labels', {
    path,
    reason: `${name(first)} has the label ${labels[first]}, and the output ${output.name} has ${output.classes} classes (0 to ${output.classes - 1})${others}; --output ${output.name}=READING says what it is where it holds no classes`,
  });
}
