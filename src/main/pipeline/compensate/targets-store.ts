/**
 * The original's activations on the calibration samples, cached for other budgets. Computing them
 * takes half of compensation.
 */
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DType } from '../../engine/ir/dtype.ts';
import { lookAtAll, type Looked } from '../../engine/compensation/dense.ts';
import type { Calibration } from '../prepare/calibration.ts';
import type { StageContext } from '../context.ts';
import type { Prepared } from '../prepare/prepare.ts';
import { input, stage } from '../stage.ts';

/** Larger targets are not cached; compensation then computes them operator by operator. */
const MOST_BYTES = 3e8;

interface Entry extends Omit<Looked, 'tensors' | 'mean'> {
  readonly name: string;
  readonly mean: readonly number[];
  /** Shape of each batch, in the order of the data file. */
  readonly dims: readonly (readonly number[])[];
}

/** Null when the targets are too large to cache. */
type Targets = ReadonlyMap<string, Looked> | null;

export const targetsStage = stage({
  name: 'targets',
  version: 2,
  inputs: { prepared: input<Prepared>(), calibration: input<Calibration>(), threads: input<number>() },
  run: ({ prepared, calibration, threads }, ctx: Pick<StageContext, 'executor'>): Promise<Targets> =>
    lookAtAll(ctx.executor, prepared, calibration.batches, threads, MOST_BYTES),
  codec: {
    write: (folder, targets: Targets) => write(folder, targets ?? new Map<string, Looked>()),
    read: async (folder, _, made): Promise<Targets> => {
      const targets = made ?? (await read(folder));
      return targets.size > 0 ? targets : null;
    },
  },
});

async function write(dir: string, looked: ReadonlyMap<string, Looked>): Promise<void> {
  const entries: Entry[] = [];
  const data = await open(join(dir, 'values.bin'), 'wx');
  try {
    for (const [name, { axis, every, mean, tensors }] of looked) {
      entries.push({ name, axis, every, mean: [...mean], dims: tensors.map((t) => t.dims) });
      for (const { data: values } of tensors)
        await data.writeFile(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  } finally {
    await data.close();
  }
  await writeFile(join(dir, 'values.json'), JSON.stringify(entries));
}

async function read(dir: string): Promise<Map<string, Looked>> {
  const entries = JSON.parse(await readFile(join(dir, 'values.json'), 'utf8')) as Entry[];
  const { buffer, byteOffset } = await readFile(join(dir, 'values.bin'));
  let at = byteOffset;
  return new Map(
    entries.map(({ name, axis, every, mean, dims }) => {
      const tensors = dims.map((d) => {
        const length = d.reduce((a, b) => a * b, 1);
        const data = new Float32Array(buffer, at, length);
        at += data.byteLength;
        return { dtype: DType.FLOAT, dims: d, data };
      });
      return [name, { axis, every, mean: Float64Array.from(mean), tensors }];
    }),
  );
}
