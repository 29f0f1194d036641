// Address of the window's pages. Separate from protocol.ts, so that code that only compares
// addresses does not load Electron.
export const SCHEME = 'app';
export const HOST = 'secateur';
export const START_PAGE = `${SCHEME}://${HOST}/index.html`;
