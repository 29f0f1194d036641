// Checkpoints of a training run: state of the trainer, weights and log, in one file that is replaced
// as a whole.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import type { TrainerState } from '../../src/main/engine/autodiff/index.ts';
import { f32, toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import type { Weights } from '../../src/main/engine/sample/vlm/sizes.ts';

interface Checkpoint {
  readonly trainer: TrainerState;
  readonly weights: Weights;
  /** Training time so far. */
  readonly seconds: number;
  readonly entries: readonly unknown[];
}

export function saveCheckpoint(file: string, c: Checkpoint): void {
  const weights = [...c.weights].map(([name, t]) => [name, t.dims, toFloat32(t)] as const);
  writeFileSync(`${file}.new`, serialize({ ...c, weights }));
  renameSync(`${file}.new`, file);
}

export function loadCheckpoint(file: string): Checkpoint | null {
  if (!existsSync(file)) return null;
  const c = deserialize(readFileSync(file)) as Omit<Checkpoint, 'weights'> & {
    weights: readonly (readonly [string, readonly number[], Float32Array])[];
  };
  return { ...c, weights: new Map(c.weights.map(([name, dims, data]) => [name, f32(data, dims)])) };
}
