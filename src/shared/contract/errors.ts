/**
 * The catalogue of user-facing errors. Each entry has a code, one sentence (a function of its details) and a remedy.
 * A thrown string is a defect: throw `new SecateurError('code', {...details})`.
 */

interface CatalogueEntry {
  readonly message: (d: Record<string, unknown>) => string;
  readonly remedy: string;
}

const entry = (message: (d: Record<string, unknown>) => string, remedy: string): CatalogueEntry => ({
  message,
  remedy,
});

export const ERRORS = {
  internal: entry(
    (d) => `Something went wrong inside Secateur: ${d.reason}.`,
    'Run the command again with SECATEUR_DEBUG=1 and report the trace it prints.',
  ),
  'file-not-found': entry((d) => `There is no file at ${d.path}.`, 'Check the path.'),
  'file-unreadable': entry(
    (d) => `The file ${d.path} cannot be read: ${d.reason}.`,
    'Check the permissions of the file.',
  ),
  'model-not-protobuf': entry(
    (d) => `${d.path ?? 'The file'} is not an ONNX model: ${d.reason}.`,
    'Export the model again, and check that the file is an .onnx file and not an archive or a download page.',
  ),
  'model-truncated': entry(
    (d) => `${d.path ?? 'The model'} ends in the middle of a field: ${d.reason}.`,
    'Copy or export the file again: it is incomplete.',
  ),
  'model-invalid': entry(
    (d) => `The model is not valid ONNX: ${d.reason}.`,
    "Export the model again, or run the exporter's own checker on it.",
  ),
  'model-too-large': entry(
    (d) => `The model claims more than it can hold: ${d.reason}.`,
    'Export the model again: a length in it is not true.',
  ),
  'external-data-outside': entry(
    (d) => `Tensor ${d.tensor} points to external data outside the model's folder: ${d.location}.`,
    'Put the data file beside the model and refer to it by a plain relative path.',
  ),
  'external-data-missing': entry(
    (d) => `Tensor ${d.tensor} needs the external data file ${d.location}, which is not there.`,
    'Copy the data file beside the model.',
  ),
  'external-data-range': entry(
    (d) => `Tensor ${d.tensor} needs bytes ${d.offset} to ${d.end} of ${d.location}, which has only ${d.size}.`,
    'Copy or export the data file again: it is incomplete.',
  ),
  'runtime-rejected': entry(
    (d) => `ONNX Runtime cannot run the model: ${d.reason}.`,
    'Check that the model runs in ONNX Runtime by itself.',
  ),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** What crosses process and transport borders in place of an Error. */
export interface ErrorPayload {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
  readonly detail: Record<string, unknown>;
}

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

  /** Anything thrown becomes a catalogue error; the original stays as the cause. */
  static from(e: unknown): SecateurError {
    if (e instanceof SecateurError) return e;
    return new SecateurError('internal', { reason: e instanceof Error ? e.message : String(e) }, { cause: e });
  }
}
