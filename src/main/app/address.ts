// Where the window's pages live. Apart from protocol.ts, so that what only compares addresses needs no Electron.
export const SCHEME = 'app';
export const HOST = 'secateur';
export const START_PAGE = `${SCHEME}://${HOST}/index.html`;
