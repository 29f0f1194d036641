/** Labels against the classes of a model: one that lies outside is said before anything is computed with it. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { OutputReading } from '../../shared/model/job.ts';
import type { Dataset } from '../data/dataset.ts';
import { isFloat } from '../engine/ir/dtype.ts';
import type { Model } from '../engine/ir/model.ts';

type Readings = Readonly<Record<string, OutputReading>>;

/** Names of rows of numbers that labels say nothing about. */
const OTHER =
  /embed|feat|descriptor|vector|latent|hidden|pooler|regress|box|coord|landmark|keypoint|state|(^|[^a-z])h[nc]?$/i;
const CLASSES = /logit|prob|score|class|cls|softmax|label/i;

/**
 * The output that labels are compared with, where its declared shape says how many classes there are: the one that was
 * set to classes, else the first row of numbers per sample, one named like classes before others. null where that is
 * not known: several axes (maps, boxes), sizes that are open, names that speak of something else.
 */
export function classOutput(model: Model, given: Readings = {}): { name: string; classes: number } | null {
  const rows = model.graph.outputs.flatMap((v) => {
    const shape = v.type?.shape;
    if (!v.type || !isFloat(v.type.elemType) || !shape || shape.length < 2) return [];
    const classes = shape[1];
    if (typeof classes !== 'number' || classes < 2 || shape.slice(2).some((d) => d !== 1)) return [];
    return [{ name: v.name, classes }];
  });
  const told = rows.find((r) => given[r.name] === 'classes');
  if (told) return told;
  if (Object.values(given).includes('classes')) return null;
  const open = rows.filter((r) => given[r.name] === undefined && !OTHER.test(r.name));
  const named = open.find((r) => CLASSES.test(r.name));
  // Beside outputs of another kind a row of numbers may be anything: only the model's sole output is plain.
  return named ?? (model.graph.outputs.length === 1 ? (open[0] ?? null) : null);
}

/**
 * @param path of the labels or data, for the message
 * @throws 'data-labels' with the first sample whose label is outside the classes, and how many there are
 */
export function requireLabelsWithin(
  dataset: Pick<Dataset, 'labels' | 'name'>,
  model: Model,
  o: { readonly path: string; readonly outputs?: Readings | undefined },
): void {
  const { labels } = dataset;
  const output = labels && classOutput(model, o.outputs);
  if (!output) return;
  const outside = (label: number): boolean => label < 0 || label >= output.classes;
  const first = labels.findIndex(outside);
  if (first < 0) return;
  const count = labels.reduce((n, label) => n + Number(outside(label)), 0);
  const others = count > 1 ? `; ${count} of ${labels.length} labels are outside` : '';
  throw new SecateurError('data-labels', {
    path: o.path,
    reason: `${dataset.name(first)} has the label ${labels[first]}, and the output ${output.name} has ${output.classes} classes (0 to ${output.classes - 1})${others}`,
  });
}
