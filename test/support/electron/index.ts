/**
 * A stand-in for the `electron` module, for machines without Electron's binary: the unchanged build
 * of the app runs on Node, and its window is a page of Chromium. It imitates the parts that
 * Secateur uses, as Electron documents them.
 * Not imitated:
 * - Context isolation and the sandbox: the preload runs in the page's own world. The objects it
 * exposes are read-only, as behind Electron's bridge, but a page could reach the code below them.
 * - Addresses: Chromium loads no app:// without Electron, so app://host/path is
 * https://host.app.invalid/path in the page. The main process sees app:// everywhere.
 * - The system: no window on a screen, no visible menu, no system shortcuts, one instance only.
 * Dialogs give the test's answers; a dropped file has the path that the test assigned to its name.
 * - Permissions (headless Chromium grants none), fuses, asar archives, redirects, allowed popups.
 * - Utility processes are children of Node: a task that blocks its thread does not notice that the
 * app was killed.
 * - Structured clone over IPC: Map, Set and Blob are not supported.
 */
export { app, nativeTheme, screen, session } from './app.ts';
export { BrowserWindow } from './browser-window.ts';
export { dialog, Menu, shell } from './desktop.ts';
export { ipcMain } from './ipc-main.ts';
export { protocol } from './protocol.ts';
export { utilityProcess } from './utility-process.ts';
