/**
 * User-facing errors, by the codes of the catalogue. A thrown string is a defect: throw
 * `new SecateurError('code', {...details})`.
 */
import { ERRORS } from './error-catalogue.ts';

export type ErrorCode = keyof typeof ERRORS;

/** The JSON form of an error for process and transport borders. */
export interface ErrorPayload {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
  readonly detail: Record<string, unknown>;
}

/** Codes for a full disk, a used-up quota, and a database that hit one of them. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL']);

export class SecateurError extends Error {
  override readonly name = 'SecateurError';
  readonly code: ErrorCode;
  readonly remedy: string;
  readonly detail: Record<string, unknown>;

  constructor(code: ErrorCode, detail: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(ERRORS[code].message(detail), options);
    this.code = code;
    this.remedy = ERRORS[code].remedy;
    this.detail = detail;
  }

  toPayload(): ErrorPayload {
    return { code: this.code, message: this.message, remedy: this.remedy, detail: this.detail };
  }

  static fromPayload(p: ErrorPayload): SecateurError {
    return new SecateurError(p.code, p.detail);
  }

  /** Converts any thrown value to a catalogue error; the original stays as the cause. */
  static from(e: unknown): SecateurError {
    if (e instanceof SecateurError) return e;
    const full = SecateurError.ofFullDisk(e);
    if (full) return full;
    return new SecateurError('internal', { reason: e instanceof Error ? e.message : String(e) }, { cause: e });
  }

  /**
   * Returns 'disk-full' when the thrown value or one of its causes is a file system or database
   * without space; else null.
   * @param folder the folder being written to; default: the folder named by the error
   */
  static ofFullDisk(e: unknown, folder?: string): SecateurError | null {
    for (let at: unknown = e, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
      if (at instanceof SecateurError && at.code === 'disk-full') return at;
      const { code, path: named } = at as Error & { code?: unknown; path?: unknown };
      if (typeof code !== 'string' || !FULL.has(code)) continue;
      const own = code === 'SQLITE_FULL' ? "Secateur's data folder" : undefined;
      const path = folder ?? (typeof named === 'string' ? named : own);
      return new SecateurError('disk-full', path === undefined ? {} : { path }, { cause: e });
    }
    return null;
  }
}
