import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import sharp from 'sharp';
import { openDataset } from './dataset.ts';

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'secateur-links-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const image = (red: number): Promise<Buffer> =>
  sharp({ create: { width: 4, height: 4, channels: 3, background: { r: red, g: 10, b: 20 } } })
    .png()
    .toBuffer();

it.skipIf(process.platform === 'win32')(
  'follows links to class folders and to images, and never in a circle',
  async () => {
    const [store, data] = [join(dir, 'store'), join(dir, 'data')];
    for (const at of [join(store, 'cats/more'), join(data, 'dog')]) mkdirSync(at, { recursive: true });
    writeFileSync(join(store, 'cats/a.png'), await image(1));
    writeFileSync(join(store, 'cats/more/b.png'), await image(2));
    writeFileSync(join(store, 'c.png'), await image(3));
    symlinkSync(join(store, 'cats'), join(data, 'cat'), 'dir');
    symlinkSync(join(store, 'c.png'), join(data, 'dog/c.png'));
    // Cycles: a link to the folder itself, and links between two folders.
    symlinkSync(data, join(data, 'dog/again'), 'dir');
    symlinkSync(join(data, 'dog'), join(store, 'cats/more/dogs'), 'dir');
    const set = await openDataset({
      data,
      inputs: [{ name: 'x', shape: [1, 3, 4, 4] }],
      preprocess: { rescale: 1 / 255 },
    });
    try {
      const names = Array.from({ length: set.length }, (_, i) => set.name(i));
      expect(names).toEqual(expect.arrayContaining(['cat/a.png', 'cat/more/b.png', 'dog/c.png']));
      expect(names.every((n) => n.split('/').length <= 4)).toBe(true);
      expect(set.classNames).toEqual(['cat', 'dog']);
    } finally {
      await set.close();
    }
  },
);
