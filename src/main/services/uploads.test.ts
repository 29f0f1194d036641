import { existsSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UploadService } from './uploads.ts';

let home: string;
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'uploads-'))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

const WEEK = 7 * 24 * 3600;

/** Creates an upload of one file, written the given number of seconds ago. */
async function uploaded(uploads: UploadService, secondsAgo: number): Promise<{ folder: string; file: string }> {
  const { id, folder } = await uploads.begin(1, 4);
  const file = await uploads.write(id, 'a/model.onnx', Readable.from([Buffer.from('onnx')]));
  const then = Date.now() / 1000 - secondsAgo;
  utimesSync(folder, then, then);
  return { folder, file };
}

describe('uploads', () => {
  it('go at the next start, a week after they came, unless a job names them', async () => {
    const before = new UploadService(home);
    const [old, used, young] = [await uploaded(before, WEEK + 60), await uploaded(before, WEEK + 60), await uploaded(before, WEEK - 60)]; // prettier-ignore
    await before.clean([]);
    expect(existsSync(old.file)).toBe(true);
    await new UploadService(home).clean([{ model: used.file, recipe: { data: [] } }, null, 3]);
    expect([old, used, young].map((u) => existsSync(u.folder))).toEqual([false, true, true]);
    await new UploadService(join(home, 'not there')).clean([]);
  });

  it('go with the last job that names them', async () => {
    const uploads = new UploadService(home);
    const [mine, shared, other] = [await uploaded(uploads, 0), await uploaded(uploads, 0), await uploaded(uploads, 0)];
    await uploads.release({ model: mine.file, data: shared.folder, out: '/elsewhere' }, [{ data: shared.folder }]);
    expect([mine, shared, other].map((u) => existsSync(u.folder))).toEqual([false, true, true]);
  });
});
