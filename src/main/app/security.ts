// Restrictions on pages, set once for every web contents of the app.
import { app, session } from 'electron';
import { HOST, SCHEME } from './address.ts';

/** Denies windows, webviews, permissions, downloads and any navigation away from the app's own pages. */
export function lockDown(): void {
  app.on('web-contents-created', (_, contents) => {
    contents.setWindowOpenHandler(() => ({ action: 'deny' }));
    contents.on('will-attach-webview', (event) => event.preventDefault());
    const stay = (event: { preventDefault(): void; url: string }): void => {
      const url = URL.parse(event.url);
      if (url?.protocol !== `${SCHEME}:` || url.host !== HOST) event.preventDefault();
    };
    contents.on('will-navigate', stay);
    contents.on('will-redirect', stay);
    contents.on('will-frame-navigate', stay);
  });
  session.defaultSession.setPermissionRequestHandler((_contents, _permission, answer) => answer(false));
  session.defaultSession.setPermissionCheckHandler(() => false);
  session.defaultSession.on('will-download', (event) => event.preventDefault());
}
