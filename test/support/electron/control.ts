// Messages between the test and the stand-in's process: the user's actions, and reports to the
// test.

/** Actions of the user. */
export type Deed =
  /** Sets the answer of the next dialog of that name. */
  | { readonly do: 'answer'; readonly dialog: DialogName; readonly answer: unknown }
  | { readonly do: 'menu'; readonly id: string }
  | { readonly do: 'close' }
  | { readonly do: 'end' };

export type Report =
  | { readonly said: 'loaded'; readonly port: number }
  | { readonly said: 'dialog'; readonly dialog: DialogName; readonly options: unknown }
  | { readonly said: 'shown'; readonly path: string };

export type DialogName = 'showOpenDialog' | 'showMessageBox' | 'showErrorBox';

export function report(what: Report): void {
  if (process.connected) process.send?.(what);
}

export function onDeed(listener: (deed: Deed) => void): void {
  process.on('message', (m) => listener(m as Deed));
}
