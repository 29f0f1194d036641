/** Builds zip archives byte by byte, so that tests can write invalid ones. */
import { crc32 } from 'node:zlib';

export interface RawEntry {
  readonly name: string;
  readonly data: Uint8Array;
  /** Compressed bytes; without them the entry is stored uncompressed. */
  readonly deflated?: Uint8Array;
  /** False sizes for the headers; default: the true ones. */
  readonly size?: number;
  readonly crc?: number;
  /** Unix mode; default: a regular file. */
  readonly mode?: number;
  readonly localName?: string;
}

export function rawZip(entries: readonly RawEntry[]): Buffer {
  const parts: Buffer[] = [],
    directory: Buffer[] = [];
  let offset = 0;
  for (const e of entries) {
    const name = Buffer.from(e.name),
      local = Buffer.from(e.localName ?? e.name),
      body = Buffer.from(e.deflated ?? e.data);
    const common = Buffer.alloc(22);
    common.writeUInt16LE(0x0800, 0); // names are UTF-8
    common.writeUInt16LE(e.deflated ? 8 : 0, 2);
    common.writeUInt32LE(e.crc ?? crc32(e.data), 8);
    common.writeUInt32LE(body.length, 12);
    common.writeUInt32LE(e.size ?? e.data.length, 16);
    const head = Buffer.alloc(6);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(20, 4);
    const localLengths = Buffer.alloc(4);
    localLengths.writeUInt16LE(local.length, 0);
    const record = Buffer.concat([head, common.subarray(0, 20), localLengths, local, body]);
    const central = Buffer.alloc(8);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE((3 << 8) | 20, 4);
    central.writeUInt16LE(20, 6);
    const rest = Buffer.alloc(18);
    rest.writeUInt16LE(name.length, 0);
    rest.writeUInt32LE(((e.mode ?? 0o100644) << 16) >>> 0, 10);
    rest.writeUInt32LE(offset, 14);
    directory.push(Buffer.concat([central, common.subarray(0, 20), rest, name]));
    parts.push(record);
    offset += record.length;
  }
  const all = Buffer.concat(directory),
    end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(all.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, all, end]);
}
