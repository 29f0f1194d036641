/** Class names: those that came with the data, or a labels.txt beside the model. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Dataset } from '../../data/dataset.ts';
import type { Model } from '../../engine/ir/model.ts';

/**
 * Names in the order of the class numbers, or null without names. A labels.txt (one name per line)
 * is used when it has as many lines as the model's first output has classes; any other file of that
 * name is ignored.
 * @param path path of the model
 */
export async function classNamesOf(
  model: Model,
  path: string,
  dataset: Dataset | null,
): Promise<readonly string[] | null> {
  if (dataset?.classNames) return dataset.classNames;
  const classes = model.graph.outputs[0]?.type?.shape?.at(-1);
  const text = await readFile(join(dirname(path), 'labels.txt'), 'utf8').catch(() => '');
  const names = text.trim().split(/\r?\n/);
  return text !== '' && names.length === classes ? names.map((n) => n.trim()) : null;
}
