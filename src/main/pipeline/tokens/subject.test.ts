import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { writeAnsweringPackage } from '../../../../test/support/small-answering-package.ts';
import { smallEncoder } from '../../../../test/support/small-encoder.ts';
import { visionEncoder } from '../../../../test/support/small-package.ts';
import type { Model } from '../../engine/ir/model.ts';
import { pixelPlace } from '../../engine/structures/tokens/pixels.ts';
import { saveModelFile } from '../../storage/model-files.ts';
import { openSubject } from './subject.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-subject-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const pixelsOf = async (name: string, model: Model) => {
  const folder = writeAnsweringPackage(join(work, name), { image_size: 16 });
  model.graph.inputs[0]!.name = 'pixel_values';
  saveModelFile(model, join(folder, 'onnx/vision_encoder.onnx'));
  const subject = await openSubject(folder, {}, plainExecutor);
  return pixelPlace(subject.model, subject.facts);
};

it('knows whether an encoder takes pictures of any size', async () => {
  const any = visionEncoder();
  const [pixels] = any.graph.inputs;
  pixels!.type = { ...pixels!.type!, shape: ['batch', 3, 'height', 'width'] };
  expect(await pixelsOf('any', any)).toMatchObject({ patch: [4, 4], fixed: null });
  const fixed = smallEncoder({ side: 16, patches: 4, output: 'image_features' });
  expect(await pixelsOf('fixed', fixed)).toMatchObject({ patch: [4, 4], fixed: expect.anything() });
});
