/** Every migration in order. A published one never changes: add the next number instead. */
import { initial } from './001-initial.ts';
import { family } from './002-family.ts';

export interface Migration {
  /** user_version after the migration. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'initial', sql: initial },
  { version: 2, name: 'family', sql: family },
];
