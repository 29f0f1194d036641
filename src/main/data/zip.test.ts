import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawZip, type RawEntry } from '../../../test/support/raw-zip.ts';
import { badName, openZip } from './zip.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secateur-zip-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const data = Buffer.from('hello');
/** Opens the archive and reads everything in it. */
async function readAll(entries: readonly RawEntry[], limits = {}): Promise<Record<string, string>> {
  const path = join(dir, 'a.zip');
  await writeFile(path, rawZip(entries));
  const zip = await openZip(path, limits);
  try {
    const out: Record<string, string> = {};
    for (const name of zip.entries.keys()) out[name] = (await zip.read(name)).toString();
    return out;
  } finally {
    zip.close();
  }
}

it('reads stored and deflated entries', async () => {
  const got = await readAll([
    { name: 'a/b.txt', data },
    { name: 'c.txt', data, deflated: deflateRawSync(data) },
  ]);
  expect(got).toEqual({ 'a/b.txt': 'hello', 'c.txt': 'hello' });
});

describe('names', () => {
  it.each([
    '../x',
    'a/../../x',
    '/etc/x',
    'C:/x',
    'C:x',
    'a\\b',
    '..\\x',
    '',
    'a//b',
    './a',
    'a/.',
    'con\u0000',
    'a:b',
    'x ',
    'x./y',
  ])('refuses %j', (name) => expect(badName(name)).not.toBeNull());
  it.each(['a', 'a/b.c', 'models/model/', '..a/b', 'ä/ö.npy'])('accepts %j', (name) =>
    expect(badName(name)).toBeNull(),
  );
});

const bomb = Buffer.alloc(4 << 20);
it.each<[string, RawEntry[], RegExp]>([
  ['an entry that leaves the folder', [{ name: '../evil', data }], /evil/],
  ['an absolute path', [{ name: '/tmp/evil', data }], /absolute/],
  ['a backslash', [{ name: 'a\\..\\evil', data }], /evil|backslash/],
  ['a symbolic link', [{ name: 'link', data: Buffer.from('/etc/passwd'), mode: 0o120777 }], /link/],
  ['a device', [{ name: 'dev', data, mode: 0o020666 }], /special/],
  [
    'a name twice',
    [
      { name: 'a', data },
      { name: 'a', data },
    ],
    /twice/,
  ],
  [
    'names that some file systems take for one',
    [
      { name: 'A', data },
      { name: 'a', data },
    ],
    /twice/,
  ],
  [
    'a file that is a folder too',
    [
      { name: 'a', data },
      { name: 'A/b', data },
    ],
    /is a file/,
  ],
  ['a wrong checksum', [{ name: 'a', data, crc: 1 }], /checksum/],
  ['a size that is too small', [{ name: 'a', data: bomb, deflated: deflateRawSync(bomb), size: 10 }], /a/],
  ['a size that is too large', [{ name: 'a', data, deflated: deflateRawSync(data), size: 500 }], /a/],
  ['two headers that name different files', [{ name: 'a', localName: 'b', data }], /different files/],
  ['an entry beyond the bound', [{ name: 'a', data: bomb, deflated: deflateRawSync(bomb) }], /claims 4194304 bytes/],
  [
    'a claim that deflate cannot reach',
    [{ name: 'a', data, deflated: deflateRawSync(data), size: 900_000 }],
    /more than its data/,
  ],
  [
    'more in all than the bound',
    Array.from({ length: 9 }, (_, i) => ({ name: `f${i}`, data: Buffer.alloc(600) })),
    /archive claims/,
  ],
])('refuses %s', async (_, entries, message) => {
  await expect(
    readAll(entries, { maxEntryBytes: 1 << 20, maxTotalBytes: 5000 + (1 << 20) * Number(entries.length === 1) }),
  ).rejects.toThrow(message);
});

it('refuses too many entries and what is no archive', async () => {
  const many = Array.from({ length: 30 }, (_, i) => ({ name: `f${i}`, data }));
  await expect(readAll(many, { maxEntries: 20 })).rejects.toThrow(/30 entries/);
  await writeFile(join(dir, 'no.zip'), 'no archive at all, but long enough to hold an end record');
  await expect(openZip(join(dir, 'no.zip'))).rejects.toThrow(/not a readable zip/);
});
