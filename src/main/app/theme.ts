// Applies the theme of the settings to the system's parts of the window (menu, dialogs, scroll
// bars).
import { nativeTheme } from 'electron';
import type { Settings } from '../../shared/contract/routes.ts';
import type { Router } from '../transport/router.ts';

/** Sets the theme now, and again whenever the settings change through the returned router. */
export function withTheme(router: Router, theme: Settings['theme']): Router {
  nativeTheme.themeSource = theme;
  return {
    ...router,
    async call(route, input, from) {
      const reply = await router.call(route, input, from);
      if (route === 'settings.set' && reply.ok) nativeTheme.themeSource = (reply.data as Settings).theme;
      return reply;
    },
  };
}
