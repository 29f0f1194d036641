/** The runner answers with decoders that drop image tokens inside, by an input and by a channel of the embeddings. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { appendFlag, appendMergedFlag } from '../../src/main/engine/structures/tokens/decoder/image-mask.ts';
import { pruneDecoder } from '../../src/main/engine/structures/tokens/decoder/prune.ts';
import type { TokenCut } from '../../src/main/engine/structures/tokens/decoder/stage.ts';
import { openPackage } from '../../src/main/pipeline/prepare/open-package.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';

const packages = resolve(import.meta.dirname, '../../../shared/packages');
const names = ['smolvlm-decomposed', 'smolvlm-gqa', 'llava-decomposed', 'llava-siglip-mobius'].filter((n) =>
  existsSync(join(packages, n)),
);
const work = mkdtempSync(join(tmpdir(), 'secateur-inside-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const image = join(work, 'picture.png');
beforeAll(async () => {
  const data = Uint8Array.from({ length: 160 * 120 * 3 }, (_, i) => (i * i) % 251);
  await sharp(data, { raw: { width: 160, height: 120, channels: 3 } })
    .png()
    .toFile(image);
});

it.each(names)('%s: both routes give one answer', async (name) => {
  const pkg = openPackage(join(packages, name));
  const open = (role: string): [id: string, model: Model] => {
    const { id } = pkg.shape.components.find((c) => c.role === role)!;
    return [id, openModelFile(pkg.fileOf(id))];
  };
  const [id, decoder] = open('decoder');
  const cuts: TokenCut[] = [{ layer: 1, keep: { ratio: 0.25 }, criterion: 'fastv' }];
  const answer = async (
    replaced: ReadonlyMap<string, Model>,
  ): Promise<{ ids: readonly number[]; last: Float32Array }> => {
    const runner = openRunner(pkg, { executor: createExecutor(), replaced });
    const { ids } = await runner.generate({ image, prompt: 'Where is the red disc?', tokens: 6 });
    const { data } = await runner.answerLogits({ image, prompt: 'Where is the red disc?' }, ids);
    await runner.close();
    return { ids, last: data };
  };
  const whole = await answer(new Map());
  const byInput = await answer(new Map([[id, pruneDecoder(decoder, cuts, { route: { route: 'input' } })]]));
  expect(byInput.last).not.toEqual(whole.last);

  const embedding = open('embedding');
  const vision = open('vision-encoder');
  const features = embedding[1].graph.findValue('image_features');
  if (features) appendMergedFlag(embedding[1], features);
  else {
    appendFlag(embedding[1], 0);
    appendFlag(vision[1], 1);
  }
  const flagged = pruneDecoder(decoder, cuts, { route: { route: 'flag' } });
  expect(await answer(new Map([[id, flagged], embedding, vision]))).toEqual(byInput);
});

it.skipIf(names.length > 0)('skipped: ../shared/packages is not here', () => undefined);
