/**
 * Reads zip archives that may be hostile. Names are checked before anything is read, sizes are bounded before and
 * during inflation, and nothing is ever written to a path from an archive.
 */
import { crc32 } from 'node:zlib';
import yauzl, { type Entry, type ZipFile } from 'yauzl';

export interface ZipLimits {
  readonly maxEntries: number;
  /** Per entry, inflated, in bytes. */
  readonly maxEntryBytes: number;
  /** All entries together, inflated, in bytes. */
  readonly maxTotalBytes: number;
}

const DEFAULT_LIMITS: ZipLimits = { maxEntries: 10_000, maxEntryBytes: 2 ** 34, maxTotalBytes: 2 ** 35 };
/** Deflate cannot compress better than about 1032 to 1. */
const MAX_RATIO = 1032;

/**
 * The reason why an entry's name is refused, or null. Refused names leave the folder, hide the file, or mean different
 * things on other systems.
 */
export function badName(name: string): string | null {
  if (name === '' || name.length > 1024) return 'the name is empty or too long';
  if (name.includes('\\')) return 'it has a backslash';
  if ([...name].some((c) => c < ' ' || c === '\u007f')) return 'it has a control character';
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) return 'it is an absolute path';
  const parts = (name.endsWith('/') ? name.slice(0, -1) : name).split('/');
  if (parts.some((p) => p === '..')) return 'it leaves the folder';
  if (parts.some((p) => p === '' || p === '.')) return 'it has an empty part';
  if (parts.some((p) => /[ .]$/.test(p) || /[<>:"|?*]/.test(p))) return 'it is not a portable file name';
  return null;
}

const MODE_TYPE = 0o170000,
  REGULAR = 0o100000,
  DIRECTORY = 0o040000;

/** The reason why an entry is refused, or null. */
function badEntry(e: Entry, limits: ZipLimits): string | null {
  const name = badName(e.fileName);
  if (name) return name;
  const unix = e.versionMadeBy >> 8 === 3,
    type = unix ? (e.externalFileAttributes >>> 16) & MODE_TYPE : 0;
  if (type !== 0 && type !== REGULAR && type !== DIRECTORY) return 'it is a link or a special file';
  if (e.fileName.endsWith('/') && e.uncompressedSize > 0) return 'it is a folder with content';
  if (e.isEncrypted()) return 'it is encrypted';
  if (e.compressionMethod !== 0 && e.compressionMethod !== 8)
    return `its compression ${e.compressionMethod} is unknown`;
  if (e.uncompressedSize > limits.maxEntryBytes) return `it claims ${e.uncompressedSize} bytes`;
  if (e.uncompressedSize > e.compressedSize * MAX_RATIO + 1024) return 'it claims more than its data can inflate to';
  return null;
}

export class ZipProblem extends Error {
  /** The refused entry, if there is one. */
  readonly entry: string | null;
  constructor(entry: string | null, reason: string) {
    super(entry === null ? reason : `entry ${JSON.stringify(entry)}: ${reason}`);
    this.entry = entry;
  }
}

export interface SafeZip {
  /** Files only, by name. */
  readonly entries: ReadonlyMap<string, { readonly size: number }>;
  /** The content, checked against its declared size and CRC-32. */
  read(name: string): Promise<Buffer>;
  /** Streams the content to `sink` with the same checks. */
  stream(name: string, sink: (chunk: Buffer) => void | Promise<void>): Promise<void>;
  close(): void;
}

/** Opens an archive and checks every entry. @throws ZipProblem */
export async function openZip(path: string, limits: Partial<ZipLimits> = {}): Promise<SafeZip> {
  const bound = { ...DEFAULT_LIMITS, ...limits };
  // decodeStrings false would skip yauzl's own name checks and return bytes. Its strict mode rejects the same names as
  // ours.
  let zip: ZipFile;
  try {
    zip = await yauzl.openPromise(path, { lazyEntries: true, autoClose: false, strictFileNames: true });
  } catch (e) {
    throw new ZipProblem(null, `it is not a readable zip archive (${(e as Error).message})`);
  }
  try {
    const found = new Map<string, Entry>(),
      folded = new Set<string>();
    let total = 0;
    if (zip.entryCount > bound.maxEntries) throw new ZipProblem(null, `it claims ${zip.entryCount} entries`);
    for await (const e of zip.eachEntry()) {
      const why = badEntry(e, bound);
      if (why) throw new ZipProblem(e.fileName, why);
      const key = e.fileName.normalize('NFC').toLowerCase(); // some file systems treat such names as equal
      if (folded.has(key)) throw new ZipProblem(e.fileName, 'the name appears twice');
      folded.add(key);
      total += e.uncompressedSize;
      if (total > bound.maxTotalBytes) throw new ZipProblem(e.fileName, `the archive claims more than ${total} bytes`);
      if (!e.fileName.endsWith('/')) found.set(e.fileName, e);
    }
    for (const name of found.keys())
      for (let cut = name.indexOf('/'); cut >= 0; cut = name.indexOf('/', cut + 1))
        if (folded.has(name.slice(0, cut).normalize('NFC').toLowerCase()))
          throw new ZipProblem(name, 'a part of its path is a file');
    return wrap(zip, found);
  } catch (e) {
    zip.close();
    if (e instanceof ZipProblem) throw e;
    throw new ZipProblem(null, (e as Error).message);
  }
}

function wrap(zip: ZipFile, found: ReadonlyMap<string, Entry>): SafeZip {
  const stream: SafeZip['stream'] = async (name, sink) => {
    const e = found.get(name);
    if (!e) throw new ZipProblem(name, 'it is not in the archive');
    let crc = 0,
      size = 0;
    try {
      const local = await zip.readLocalFileHeaderPromise(e);
      // Readers that trust the local header would see another file than readers of the central directory.
      if (!local.fileName.equals(e.fileNameRaw)) throw new ZipProblem(name, 'its two headers name different files');
      for await (const chunk of await zip.openReadStreamPromise(e)) {
        const piece = chunk as Buffer;
        size += piece.length;
        if (size > e.uncompressedSize) throw new ZipProblem(name, 'it inflates to more than it claims');
        crc = crc32(piece, crc);
        await sink(piece);
      }
    } catch (x) {
      throw x instanceof ZipProblem ? x : new ZipProblem(name, (x as Error).message);
    }
    if (size !== e.uncompressedSize) throw new ZipProblem(name, 'it is shorter than it claims');
    if (crc !== e.crc32) throw new ZipProblem(name, 'its checksum does not match');
  };
  return {
    entries: new Map([...found].map(([name, e]) => [name, { size: e.uncompressedSize }])),
    stream,
    read: async (name) => {
      const pieces: Buffer[] = [];
      await stream(name, (c) => void pieces.push(c));
      return Buffer.concat(pieces);
    },
    close: () => zip.close(),
  };
}
