// The system's parts: dialogs with answers from the test, the menu without a screen, the file
// manager.
import type {
  BaseWindow,
  Dialog,
  MenuItemConstructorOptions,
  MessageBoxOptions,
  OpenDialogOptions,
  Shell,
} from 'electron';
import { onDeed, report, type DialogName } from './control.ts';

const answers: { readonly dialog: DialogName; readonly answer: unknown }[] = [];
onDeed((deed) => void (deed.do === 'answer' && answers.push(deed)));

/**
 * Returns the test's answer for the next dialog of that name; otherwise the answer of a user who
 * cancels.
 */
function ask<T>(dialog: DialogName, options: unknown, otherwise: T): Promise<T> {
  report({ said: 'dialog', dialog, options });
  const at = answers.findIndex((a) => a.dialog === dialog);
  return Promise.resolve(at < 0 ? otherwise : (answers.splice(at, 1)[0]!.answer as T));
}

type Given<T> = [BaseWindow, T] | [T];
const last = <T>(given: Given<T>): T => given.at(-1) as T;

export const dialog = {
  showOpenDialog: (...given: Given<OpenDialogOptions>) =>
    ask('showOpenDialog', last(given), { canceled: true, filePaths: [] as string[] }),
  showMessageBox: (...given: Given<MessageBoxOptions>) =>
    ask('showMessageBox', last(given), { response: last(given).cancelId ?? 0, checkboxChecked: false }),
  showErrorBox: (title: string, content: string) => void ask('showErrorBox', { title, content }, undefined),
} satisfies Partial<Dialog>;

export const shell = {
  showItemInFolder: (path: string) => report({ said: 'shown', path }),
} satisfies Partial<Shell>;

type Item = MenuItemConstructorOptions;

export class Menu {
  static #current: Menu | null = null;
  readonly #items: readonly Item[];

  constructor(items: readonly Item[]) {
    this.#items = items;
  }
  static buildFromTemplate = (items: Item[]): Menu => new Menu(items);
  static setApplicationMenu = (menu: Menu | null): void => void (Menu.#current = menu);
  static getApplicationMenu = (): Menu | null => Menu.#current;

  getMenuItemById(id: string): { click(): void } | null {
    const all = (items: readonly Item[]): Item[] =>
      items.flatMap((i) => [i, ...(Array.isArray(i.submenu) ? all(i.submenu) : [])]);
    const item = all(this.#items).find((i) => i.id === id);
    return item ? { click: () => (item.click as (() => void) | undefined)?.() } : null;
  }
}
