import { closeSync, openSync, realpathSync, renameSync, rmSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Model } from '../engine/ir/index.ts';
import { nameRequiredOutputs } from '../engine/ir/outputs.ts';
import { isLfsPointer, LFS_POINTER_LIMIT } from '../engine/lfs-pointer.ts';
import { liftIrVersion } from '../engine/passes/index.ts';
import {
  readModel,
  writeModelChunks,
  type ByteSource,
  type DataResolver,
  type ExternalOptions,
  type WritePlan,
} from '../engine/onnx/index.ts';
import { FileByteSource, unreadable } from './file-source.ts';

/**
 * Files up to this size are read at once: no descriptor stays open, and reads are views. Larger files are read by
 * offset.
 */
const SMALL = 64 * 1024 * 1024;

/**
 * Opens an ONNX file. External data is searched only beside it. Tensors are read on demand, so large files must stay in
 * place while the model is in use. `onDataFile` gets every data file, relative to the model's folder, while the model
 * is opened. Outputs whose absence crashes the runtime get names, and models of IR versions below 4 are lifted to
 * version 4.
 * @throws 'file-*', 'model-*', 'lfs-pointer', 'external-data-*'
 */
export function openModelFile(path: string, onDataFile?: (location: string) => void): Model {
  const source = new FileByteSource(path);
  const resolver = dataResolver(dirname(realpathSync(path)));
  const resolve: DataResolver = (location) => {
    onDataFile?.(location);
    return resolver(location);
  };
  const options = { path, resolve };
  const model = read(source, options);
  nameRequiredOutputs(model);
  liftIrVersion(model);
  return model;
}

function read(source: FileByteSource, options: { path: string; resolve: DataResolver }): Model {
  refusePointer(source);
  if (source.size > SMALL) return readModel(source, options);
  try {
    return readModel(source.read(0, source.size), options);
  } finally {
    source.close();
  }
}

/** @throws 'lfs-pointer' */
function refusePointer(source: FileByteSource): void {
  if (source.size > LFS_POINTER_LIMIT || !isLfsPointer(source.read(0, source.size))) return;
  source.close();
  throw new SecateurError('lfs-pointer', { path: source.path });
}

/**
 * Opens data files of one folder. A location may name a file in a subfolder. Links are followed, and their targets must
 * be inside the folder as well.
 */
function dataResolver(folder: string): DataResolver {
  const root = realpathSync(folder);
  return (location: string): ByteSource => {
    const wanted = resolve(root, location.replaceAll('\\', '/'));
    let real: string;
    try {
      real = realpathSync(wanted);
    } catch (e) {
      const code = (e as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG')
        throw new SecateurError('external-data-missing', { tensor: '', location }, { cause: e });
      throw unreadable(wanted, e);
    }
    if (!real.startsWith(root.endsWith(sep) ? root : root + sep))
      throw new SecateurError('external-data-outside', { tensor: '', location });
    const source = new FileByteSource(real);
    refusePointer(source);
    return source;
  };
}

export interface SaveOptions {
  /**
   * Puts initializers of at least `thresholdBytes` (default 1024) into `<file name>.data`, or into a file of another
   * name.
   */
  readonly externalData?: boolean | Partial<ExternalOptions>;
}

export interface SavedModel {
  /** Written files, the model first. */
  readonly files: readonly string[];
  readonly bytes: number;
}

/**
 * Saves a model: everything is written under temporary names and renamed when complete, the data file before the model.
 * Memory use stays flat for any size; above 2 GiB a data file is always used.
 * @throws 'model-over-2gib', 'file-unwritable', 'disk-full'
 */
export function saveModelFile(model: Model, path: string, options: SaveOptions = {}): SavedModel {
  const plan = planWrite(model, path, options);
  const folder = dirname(path);
  const temporary = (name: string): string => join(folder, `.${name}.${randomBytes(6).toString('hex')}.tmp`);
  const moves: { from: string; to: string }[] = [];
  try {
    if (plan.data) {
      const to = join(folder, plan.location!);
      moves.push({ from: temporary(basename(to)), to });
      writeChunks(moves.at(-1)!.from, plan.data);
    }
    moves.push({ from: temporary(basename(path)), to: path });
    writeChunks(moves.at(-1)!.from, plan.model);
    for (const m of moves) renameSync(m.from, m.to);
  } catch (e) {
    for (const m of moves) rmSync(m.from, { force: true });
    const full = SecateurError.ofFullDisk(e, folder);
    if (full) throw full;
    // Errors of the file system have a syscall; anything else came from the model's own data.
    if ((e as NodeJS.ErrnoException).syscall === undefined) throw e;
    throw new SecateurError('file-unwritable', { path, reason: (e as Error).message }, { cause: e });
  }
  return { files: moves.map((m) => m.to).reverse(), bytes: plan.modelBytes + plan.dataBytes };
}

function planWrite(model: Model, path: string, options: SaveOptions): WritePlan {
  const external = externalOptions(path, options.externalData);
  const plan = writeModelChunks(model, external ? { externalData: external } : {});
  if (external || !plan.data) return plan;
  // The codec chooses a data file name itself when the size requires one: the name must be ours.
  return writeModelChunks(model, { externalData: externalOptions(path, true)! });
}

function externalOptions(path: string, wanted: SaveOptions['externalData']): ExternalOptions | null {
  if (!wanted) return null;
  const own = { location: `${basename(path)}.data`, thresholdBytes: 1024 };
  return wanted === true ? own : { ...own, ...wanted };
}

/** Small pieces are collected, so that a model of many small tensors does not cost one system call each. */
function writeChunks(path: string, chunks: Iterable<Uint8Array>): void {
  const gathered = new Uint8Array(256 << 10);
  let used = 0;
  const fd = openSync(path, 'wx');
  const flush = (): void => {
    writeAll(fd, gathered.subarray(0, used));
    used = 0;
  };
  try {
    for (const c of chunks) {
      if (used + c.length > gathered.length) flush();
      if (c.length >= gathered.length / 4) {
        flush();
        writeAll(fd, c);
      } else {
        gathered.set(c, used);
        used += c.length;
      }
    }
    flush();
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, data: Uint8Array): void {
  // A single system call moves less than 2 GiB.
  for (let at = 0; at < data.length;) at += writeSync(fd, data, at, Math.min(1 << 30, data.length - at));
}
