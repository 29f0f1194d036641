import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { ByteSource } from '../engine/onnx/index.ts';

/** A single system call moves less than 2 GiB. */
const MAX_CALL = 1 << 30;

/** Closes the file of a source that is no longer referenced: models have no explicit end of life. */
const registry = new FinalizationRegistry<number>((fd) => {
  try {
    closeSync(fd);
  } catch {
    // Already closed by close().
  }
});

/** A file as a ByteSource: positioned reads on an open descriptor. Replacing the file meanwhile does not affect it. */
export class FileByteSource implements ByteSource {
  readonly path: string;
  readonly size: number;
  #fd: number | null;

  /** @throws 'file-not-found', 'file-unreadable' */
  constructor(path: string) {
    this.path = path;
    let fd: number | null = null;
    try {
      // Checked before opening: opening a pipe would wait for a writer.
      if (!statSync(path).isFile()) throw new Error('it is not a regular file');
      fd = openSync(path, 'r');
      this.size = fstatSync(fd).size;
    } catch (e) {
      if (fd !== null) closeSync(fd);
      throw unreadable(path, e);
    }
    this.#fd = fd;
    registry.register(this, fd, this);
  }

  read(offset: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    this.readInto(offset, out);
    return out;
  }

  readInto(offset: number, target: Uint8Array): void {
    if (this.#fd === null) throw new SecateurError('file-unreadable', { path: this.path, reason: 'it was closed' });
    let done = 0;
    while (done < target.length) {
      let n: number;
      try {
        n = readSync(this.#fd, target, done, Math.min(MAX_CALL, target.length - done), offset + done);
      } catch (e) {
        throw unreadable(this.path, e);
      }
      if (n === 0) throw new SecateurError('file-unreadable', { path: this.path, reason: 'it was truncated' });
      done += n;
    }
  }

  /** Closes the file now; reads fail afterwards. */
  close(): void {
    if (this.#fd === null) return;
    registry.unregister(this);
    closeSync(this.#fd);
    this.#fd = null;
  }
}

/** Converts a file-system error to a catalogue error. */
export function unreadable(path: string, e: unknown): SecateurError {
  if (e instanceof SecateurError) return e;
  const { code, message } = e as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return new SecateurError('file-not-found', { path }, { cause: e });
  return new SecateurError(
    'file-unreadable',
    { path, reason: code === 'EISDIR' ? 'it is a folder' : message },
    { cause: e },
  );
}
