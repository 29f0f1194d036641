/** Every migration in order. A published one is never changed: add the next number. */
import { initial } from './001-initial.ts';
import { family } from './002-family.ts';

export interface Migration {
  /** user_version after it. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'initial', sql: initial },
  { version: 2, name: 'family', sql: family },
];
