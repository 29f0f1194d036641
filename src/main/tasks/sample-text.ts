/** Short text for the inputs of a sample that are not images. */
import type { Dataset } from '../data/dataset.ts';
import type { Sample } from '../data/input-spec.ts';
import { rowsAt, type HostTensor } from '../engine/executor.ts';
import { dtypeName } from '../engine/ir/dtype.ts';
import { floats } from '../engine/heads/support/values.ts';

/** Longest list of numbers; for larger tensors the text gives only the shape. */
const LISTED = 32;

/** @param t tensor of one sample */
function said(name: string, t: HostTensor): string {
  if (t.data.length > LISTED) return `${name}: ${t.dims.slice(1).join(' x ')} ${dtypeName(t.dtype)}`;
  const numbers = Array.from((floats(t) ?? t.data) as ArrayLike<number | bigint>, (x) =>
    typeof x === 'bigint' || Number.isInteger(x) ? String(x) : x.toPrecision(3),
  );
  return `${name}: ${numbers.join(' ')}`;
}

/**
 * One text for each sample of a batch, about the inputs beside the image, or all inputs when there
 * is no image. Empty for data of one input.
 * @param pictured whether the main input is shown as an image
 */
export function otherInputs(batch: Sample, count: number, dataset: Dataset, pictured: boolean): string[] {
  const names = dataset.inputs.length > 1 ? dataset.inputs.filter((n) => !pictured || n !== dataset.main) : [];
  return Array.from({ length: count }, (_, i) =>
    names
      .map((name) => {
        const t = batch[name]!;
        // An input without a batch axis is the same for all samples.
        return said(name, t.dims[0] === count ? rowsAt(t, i, 1) : { ...t, dims: [1, ...t.dims] });
      })
      .join('; '),
  );
}
