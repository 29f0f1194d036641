import { expect, it } from 'vitest';
import { assetPath } from '../../../../test/support/assets.ts';
import { openDataset } from '../../data/dataset.ts';
import { resolvePreprocess } from '../../data/preprocess.ts';
import { createExecutor } from '../../runtime/executor.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { inputSpecs } from '../prepare/model-data.ts';
import { compareModels } from './evaluate.ts';

const models = assetPath('models');
const data = assetPath('data');
const load = (name: string) => openModelFile(`${models}/${name}`);

// Expected figures come from the same files under another pipeline (assets/INDEX.md); only a part
// of the data is used here.
it.skipIf(models === null || data === null)(
  'measures ResNet-20 and ResNet-56 on CIFAR-10 (needs ../shared/assets)',
  async () => {
    const small = load('resnet20_cifar10.onnx'),
      large = load('resnet56_cifar10.onnx');
    const pre = await resolvePreprocess('x.onnx', `${data}/cifar10.preprocess.json`);
    const dataset = await openDataset({
      data: `${data}/cifar10_test_images.npy`,
      preprocess: pre.preprocess,
      inputs: inputSpecs(large),
      limit: 256,
    });
    const steps: number[] = [];
    const got = await compareModels(large, small, {
      executor: createExecutor(),
      dataset,
      batch: 64,
      onProgress: (p) => void steps.push(p),
    });
    expect(got.original).toMatchObject({ samples: 256, agreement: 1, snrDb: null, kl: 0 });
    expect(got.original.top1).toBeGreaterThan(0.85);
    expect(got.pruned.top1).toBeGreaterThan(0.82);
    expect(got.pruned.agreement).toBeGreaterThan(0.85);
    expect(got.pruned.agreement).toBeLessThan(1);
    expect(got.original.top5).toBeGreaterThan(0.98);
    expect(got.pruned.kl).toBeGreaterThan(0);
    expect(steps.at(-1)).toBe(1);
  },
);
