// Dialogs of the system: files, the file manager, and the confirmation before a job is lost.
import { existsSync } from 'node:fs';
import { dialog, shell, type BrowserWindow, type FileFilter, type OpenDialogOptions } from 'electron';
import type { SecateurError } from '../../shared/contract/errors.ts';
import type { FileKind } from '../../shared/contract/routes.ts';

const ALL: FileFilter = { name: 'All files', extensions: ['*'] };
const IMAGES = ['png', 'jpg', 'jpeg', 'webp', 'bmp', 'tif', 'tiff', 'gif'];

/**
 * Only macOS has one dialog for both files and folders; elsewhere the window has a second button.
 */
const DIALOGS: Record<FileKind, OpenDialogOptions> = {
  model: file('Open a model', 'ONNX models', ['onnx']),
  data: file('Choose data', 'Data', ['csv', 'tsv', 'npy', 'npz', ...IMAGES]),
  labels: file('Choose labels', 'Labels', ['csv', 'txt', 'npy', 'npz', 'json']),
  preprocess: file('Choose a preprocessing file', 'Preprocessing', ['json']),
  bundle: file('Open a bundle', 'Bundles', ['zip']),
  folder: { title: 'Choose a folder', properties: ['openDirectory', 'createDirectory'] },
};

function file(title: string, name: string, extensions: string[]): OpenDialogOptions {
  return { title, properties: ['openFile'], filters: [{ name, extensions }, ALL] };
}

/** Returns the path chosen in the system's dialog, or null. */
export async function choosePath(window: BrowserWindow | null, kind: FileKind): Promise<string | null> {
  const options = DIALOGS[kind];
  const { canceled, filePaths } = await (window
    ? dialog.showOpenDialog(window, options)
    : dialog.showOpenDialog(options));
  return canceled ? null : (filePaths[0] ?? null);
}

/** Shows a file in the system's file manager; returns false when the file is gone. */
export function reveal(path: string): Promise<boolean> {
  if (!existsSync(path)) return Promise.resolve(false);
  shell.showItemInFolder(path);
  return Promise.resolve(true);
}

/** Returns true when the user agrees to lose the running jobs. */
export async function askToLeave(window: BrowserWindow, jobs: number): Promise<boolean> {
  const one = jobs === 1;
  const { response } = await dialog.showMessageBox(window, {
    type: 'warning',
    title: 'Secateur',
    message: one ? 'A job is running.' : `${jobs} jobs are running.`,
    detail: `${one ? 'It ends' : 'They end'} when the window closes. Finished stages are kept; resume later from the library.`,
    buttons: [one ? 'Cancel the job and quit' : 'Cancel the jobs and quit', 'Stay'],
    defaultId: 1,
    cancelId: 1,
    noLink: true,
  });
  return response === 0;
}

/** Works before there is a window. */
export function showFault({ message, remedy }: SecateurError): void {
  dialog.showErrorBox('Secateur cannot start', `${message}\n\n${remedy}`);
}
