/** Files dropped on the page: by path in the app's own window, by upload in a browser. */
import { call, droppedPath, payloadOf, upload } from '../app/bridge.ts';
import type { ErrorPayload } from '../../shared/contract/errors.ts';

interface Dropped {
  /** Relative to the drop, with `/` below a dropped folder. */
  readonly name: string;
  readonly file: File;
}

/** The dropped files on the machine that does the work. */
export interface Arrived {
  readonly path: string;
  readonly folder: boolean;
  /** Names of the files. */
  readonly names: readonly string[];
}

class Drop {
  /** Bytes to send; 0 unless an upload is under way. */
  total = $state(0);
  sent = $state(0);
  busy = $state(false);
  error = $state.raw<ErrorPayload | null>(null);
  #cancel: AbortController | null = null;

  /** Null when nothing was dropped, the upload was cancelled, or it failed (see `error`). */
  async take(transfer: DataTransfer): Promise<Arrived | null> {
    this.error = null;
    const [first] = transfer.files;
    if (!first) return null;
    // Entries are only valid during the event, so they are read before the first await.
    const entries = [...transfer.items].map((i) => i.webkitGetAsEntry()).filter((e) => e !== null);
    const files = [...transfer.files].map((file): Dropped => ({ name: file.name, file }));
    const path = await droppedPath(first);
    const folder = entries.length === 1 && entries[0]!.isDirectory;
    if (path !== null) return { path, folder, names: [first.name] };
    try {
      // Only files from a disk have an entry.
      const all = entries.length < files.length ? files : (await Promise.all(entries.map((e) => below(e)))).flat();
      return await this.#send(all, folder);
    } catch (e) {
      if (!(e instanceof DOMException)) this.error = payloadOf(e);
      return null;
    }
  }

  /** Takes one picked file. Null when the upload was cancelled, or it failed (see `error`). */
  async takeFile(file: File): Promise<string | null> {
    this.error = null;
    try {
      const path = await droppedPath(file);
      return path ?? (await this.#send([{ name: file.name, file }], false))?.path ?? null;
    } catch (e) {
      if (!(e instanceof DOMException)) this.error = payloadOf(e);
      return null;
    }
  }

  cancel(): void {
    this.#cancel?.abort();
  }

  async #send(files: readonly Dropped[], folder: boolean): Promise<Arrived | null> {
    if (files.length === 0) return null;
    this.cancel();
    const control = (this.#cancel = new AbortController());
    this.total = files.reduce((sum, f) => sum + f.file.size, 0);
    this.sent = 0;
    this.busy = true;
    let id: string | null = null;
    try {
      const room = await call('uploads.begin', { files: files.length, bytes: this.total });
      id = room.id;
      let before = 0;
      const paths: string[] = [];
      for (const { name, file } of files) {
        paths.push(await upload(id, name, file, (bytes) => (this.sent = before + bytes), control.signal));
        this.sent = before += file.size;
      }
      const names = files.map((f) => f.name);
      const top = names[0]!.split('/')[0]!;
      if (folder) return { path: `${room.folder}/${top}`, folder, names };
      // For a model dropped together with its weight files, the path is the model's.
      const model = paths[names.findIndex((n) => /\.onnx$/i.test(n))];
      if (model ?? paths.length === 1) return { path: model ?? paths[0]!, folder: false, names };
      return { path: room.folder, folder: true, names };
    } catch (e) {
      if (id !== null) await call('uploads.discard', { id }).catch(() => undefined);
      throw e;
    } finally {
      this.busy = false;
    }
  }
}

export const drop = new Drop();

/** Lists every file below an entry, except hidden ones. */
async function below(entry: FileSystemEntry, prefix = ''): Promise<Dropped[]> {
  if (entry.name.startsWith('.')) return [];
  const name = prefix + entry.name;
  if (entry.isFile)
    return [{ name, file: await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail)) }];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const out: Dropped[] = [];
  for (;;) {
    // The reader returns at most a hundred entries per call and none at the end.
    const some = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return out;
    for (const e of some) out.push(...(await below(e, `${name}/`)));
  }
}
