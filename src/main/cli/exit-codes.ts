/** Exit codes of the command line, as docs/cli.md lists them. */
import type { ErrorCode } from '../../shared/contract/errors.ts';

export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  badInput: 3,
  budgetNotMet: 4,
  verifyFailed: 5,
  cancelled: 6,
  notAccepted: 7,
  sigint: 130,
  sigterm: 143,
} as const;

const USAGE: readonly string[] = [
  'usage',
  'budget-invalid',
  'recipe-not-found',
  'recipe-invalid',
  'device-not-found',
  'device-not-local',
];

const OURS: readonly string[] = [
  'internal',
  'own-cut-failed',
  'own-graph-rejected',
  'worker-died',
  'worker-crashed',
  'worker-not-ready',
  'interrupted',
  'disk-full',
  'home-unwritable',
  'database-unusable',
  'database-too-new',
];

/**
 * Maps an error code to an exit code. Codes that are neither usage errors, internal failures nor
 * cancels report bad input.
 */
export function exitCodeOf(code: ErrorCode): number {
  if (USAGE.includes(code)) return EXIT.usage;
  if (OURS.includes(code)) return EXIT.internal;
  if (code === 'cancelled') return EXIT.cancelled;
  return EXIT.badInput;
}
