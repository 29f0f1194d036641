// What the system asks and shows: files, the file manager, the last question before a job is lost.
import { existsSync } from 'node:fs';
import { dialog, shell, type BrowserWindow, type FileFilter, type OpenDialogOptions } from 'electron';
import type { SecateurError } from '../../shared/contract/errors.ts';
import type { FileKind } from '../../shared/contract/routes.ts';

const ALL: FileFilter = { name: 'All files', extensions: ['*'] };
const IMAGES = ['png', 'jpg', 'jpeg', 'webp', 'bmp', 'tif', 'tiff', 'gif'];

/** Where files and folders can both be meant, the window has a second button: only macOS has one dialog for both. */
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

/** The path that the user chooses in the system's dialog, or null. */
export async function choosePath(window: BrowserWindow | null, kind: FileKind): Promise<string | null> {
  const options = DIALOGS[kind];
  const { canceled, filePaths } = await (window
    ? dialog.showOpenDialog(window, options)
    : dialog.showOpenDialog(options));
  return canceled ? null : (filePaths[0] ?? null);
}

/** Shows a file in the system's file manager; false when it is gone. */
export function reveal(path: string): Promise<boolean> {
  if (!existsSync(path)) return Promise.resolve(false);
  shell.showItemInFolder(path);
  return Promise.resolve(true);
}

/** True when the user gives up the jobs that are under way. */
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

/** Also before there is a window. */
export function showFault({ message, remedy }: SecateurError): void {
  dialog.showErrorBox('Secateur cannot start', `${message}\n\n${remedy}`);
}
