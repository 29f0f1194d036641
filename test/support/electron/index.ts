/**
 * A stand-in for the `electron` module, for machines without Electron's binary: the unchanged build of the app runs on
 * Node, its window is a page of Chromium. It imitates what Secateur uses, as Electron documents it.
 *
 * What it does not imitate:
 * - Context isolation and the sandbox: the preload runs in the page's own world. What it exposes is read-only, as
 *   Electron's bridge makes it, but a page could reach what lies below.
 * - Addresses: Chromium loads no app:// without Electron, so app://host/path is https://host.app.invalid/path in the page.
 *   The main process sees app:// everywhere.
 * - The system: no window on a screen, no menu to see, no keys that reach one, one instance only. Dialogs answer what the
 *   test told them to; a dropped file has the path that the test gave its name.
 * - Permissions (headless Chromium grants none), fuses, asar archives, redirects, popups that are allowed.
 * - Utility processes are children of Node: a task that blocks its thread does not notice that the app was killed.
 * - Structured clone over IPC: Map, Set and Blob do not cross.
 */
export { app, nativeTheme, screen, session } from './app.ts';
export { BrowserWindow } from './browser-window.ts';
export { dialog, Menu, shell } from './desktop.ts';
export { ipcMain } from './ipc-main.ts';
export { protocol } from './protocol.ts';
export { utilityProcess } from './utility-process.ts';
