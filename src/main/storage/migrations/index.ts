/** Every migration in order. A published one is never changed: add the next number. */
import { initial } from './001-initial.ts';

export interface Migration {
  /** user_version after it. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [{ version: 1, name: 'initial', sql: initial }];
