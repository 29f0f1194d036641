/** Remembers the page and the job that the window shows, for a reload. */
import { STEPS, type Page } from './names.ts';

export interface View {
  readonly page: Page;
  readonly job: string | null;
}

const KEY = 'secateur.view';
const PAGES: readonly string[] = [...STEPS, 'library', 'settings'];

type Store = Pick<Storage, 'getItem' | 'setItem'>;

export function remember(view: View, store: Store = sessionStorage): void {
  store.setItem(KEY, JSON.stringify(view));
}

/** Null when nothing was stored, or the stored value is of another version. */
export function recall(store: Store = sessionStorage): View | null {
  try {
    const { page, job } = JSON.parse(store.getItem(KEY) ?? 'null') as { page: unknown; job: unknown };
    if (typeof page !== 'string' || !PAGES.includes(page)) return null;
    return { page: page as Page, job: typeof job === 'string' ? job : null };
  } catch {
    return null;
  }
}
