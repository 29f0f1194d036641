import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { writeAnsweringPackage } from '../../../../test/support/small-answering-package.ts';
import type { Model } from '../../engine/ir/model.ts';
import { selectAfter } from '../../engine/structures/tokens/after.ts';
import { tokenMethod } from '../../engine/structures/tokens/registry.ts';
import { openRunner } from '../prepare/open-runner.ts';
import { openKeptCells } from './kept-cells.ts';
import { openSubject, type TokenSubject } from './subject.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-cells-'));
const picture = join(work, 'picture.png');
let subject: TokenSubject;
afterAll(() => rmSync(work, { recursive: true, force: true }));
beforeAll(async () => {
  subject = await openSubject(writeAnsweringPackage(join(work, 'small')), {}, plainExecutor);
  const data = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * i) & 255);
  await sharp(data, { raw: { width: 64, height: 48, channels: 3 } }).png().toFile(picture); // prettier-ignore
});

const cellsOf = async (method: string, keep: number) => {
  const reader = openKeptCells(subject, tokenMethod(method)!, keep, { executor: plainExecutor });
  try {
    return await reader.read(picture);
  } finally {
    await reader.close();
  }
};

describe('cells that stay', () => {
  it('are those whose features the reduced vision component gives', async () => {
    const { grid, parts } = await cellsOf('dpp', 5);
    expect(grid).toEqual([4, 4]);
    expect(parts).toHaveLength(1);
    const features = async (replaced: ReadonlyMap<string, Model> | undefined) => {
      const runner = openRunner(subject.pkg, { executor: plainExecutor, ...(replaced && { replaced }) });
      const encoded = await runner.encodeImage(picture);
      await runner.close();
      return encoded.features.data as Float32Array;
    };
    const { width } = subject.place;
    const all = await features(undefined);
    const few = selectAfter(subject.model, subject.place, tokenMethod('dpp')!, 5);
    const kept = await features(new Map([[subject.encoder.id, few]]));
    expect(kept).toHaveLength(5 * width);
    parts[0]!.forEach((cell, i) =>
      expect(kept.slice(i * width, (i + 1) * width)).toEqual(all.slice(cell * width, (cell + 1) * width)),
    );
  });

  it('are evenly spread by strides', async () => {
    expect((await cellsOf('stride', 4)).parts).toEqual([[2, 6, 10, 14]]);
  });

  it('are refused with the reason of the method', () => {
    const open = (method: string, keep: number) => () =>
      openKeptCells(subject, tokenMethod(method)!, keep, { executor: plainExecutor });
    expect(open('pool', 7)).toThrow(/cannot be divided into 7 cells/);
    expect(open('pool', 4)).toThrow(/means of blocks/);
    expect(open('tome', 4)).toThrow(/weighs merged tokens/);
  });
});
