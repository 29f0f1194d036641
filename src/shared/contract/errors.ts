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

const ERRORS = {
  internal: entry(
    (d) => `Something went wrong inside Secateur: ${d.reason}.`,
    'Run the command again with SECATEUR_DEBUG=1 and report the trace it prints.',
  ),
  'file-not-found': entry((d) => `There is no file at ${d.path}.`, 'Check the path.'),
  'file-unreadable': entry(
    (d) => `The file ${d.path} cannot be read: ${d.reason}.`,
    'Check the permissions of the file.',
  ),
  'file-unwritable': entry(
    (d) => `The file ${d.path} cannot be written: ${d.reason}.`,
    'Check the permissions of the folder and the free space on the disk.',
  ),
  'disk-full': entry(
    (d) => `There is no space left on the disk for ${d.path ?? 'what has to be written'}.`,
    'Make room on that disk or raise the quota, or choose another folder, and run the command again.',
  ),
  'lfs-pointer': entry(
    (d) => `${d.path} is not the file itself but a Git LFS pointer to it: its content was never downloaded.`,
    'Run `git lfs pull` in the repository that it comes from.',
  ),
  'model-replaced': entry(
    (d) =>
      `The job began with another model: ${d.path} had the sha256 ${d.was}... when it was started and has ${d.is}... now.`,
    'Put the first model back and resume the job, or start a new job with this one.',
  ),
  'package-empty': entry(
    (d) => `The folder ${d.path} holds no ONNX model.`,
    'Choose a folder with .onnx files in it, or the file itself.',
  ),
  'package-too-deep': entry(
    (d) => `The folder ${d.path} holds more than ${d.limit} files: it is not the folder of one package.`,
    'Choose the folder that holds the components of one model.',
  ),
  'package-several': entry(
    (d) => `The package ${d.path} has ${d.count} components and one is needed here: ${d.components}.`,
    'Choose the .onnx file of a component.',
  ),
  'workload-setting': entry(
    (d) => `The workload setting ${d.name} cannot be used: ${d.reason}.`,
    'Run `secateur bench` on the package without settings to see those that it has.',
  ),
  'model-not-in-folder': entry(
    (d) => `The folder ${d.path} does not say which model is meant: ${d.reason}.`,
    'Choose the .onnx file itself.',
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
  'weights-missing': entry(
    (d) =>
      `The model has no weights: ${d.count} of its tensors have a shape and a type but no data. The first is ${d.tensor}.`,
    'Export the model again with its weights.',
  ),
  'model-too-large': entry(
    (d) => `The model claims more than it can hold: ${d.reason}.`,
    'Export the model again: a length in it is not true.',
  ),
  'model-over-2gib': entry(
    (d) => `The model takes ${d.bytes} bytes as one file, and ONNX files end at 2 GiB.`,
    'Save it with external data.',
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
  'model-no-inputs': entry(
    () => 'The model has no inputs: what it computes depends on nothing that could be given to it.',
    'Export the model again, with the tensors that it is to read as inputs of its graph.',
  ),
  'input-not-tensor': entry(
    (d) => `The input ${d.input} is not a tensor but of type ${d.type}, and only tensors can be fed.`,
    'Export the model again with tensors as inputs.',
  ),
  'input-type': entry(
    (d) =>
      `The input ${d.input} takes elements of type ${d.type}, and ONNX Runtime's binding cannot be given such tensors.`,
    'Export the model again with that input as numbers (float32, float16, integers or bool), or with the step that reads it left out.',
  ),
  'output-not-tensor': entry(
    (d) => `The output ${d.output} is not a tensor but of type ${d.type}, and only tensors can be compared.`,
    'Export the model again with tensors as outputs (for classifiers of scikit-learn: without ZipMap), or remove that output.',
  ),
  'runtime-rejected': entry(
    (d) => `ONNX Runtime cannot run the model: ${d.reason}.`,
    'Check that the model runs in ONNX Runtime by itself.',
  ),
  'own-graph-rejected': entry(
    (d) => `ONNX Runtime runs the model as it was given, but not what Secateur made of it: ${d.reason}.`,
    'This is a defect of Secateur, not of the model, unless the data hold values that the model cannot take: run the command again with SECATEUR_DEBUG=1 and report the trace it prints.',
  ),
  'boxes-needed': entry(
    (d) => `The model runs only where it finds boxes, and it does not find them in the inputs at hand: ${d.reason}.`,
    'Give data with objects in them (--data), or export the model without its selection of boxes.',
  ),
  'golden-without-boxes': entry(
    (d) =>
      `The pruned model finds no boxes in any of ${d.tried} inputs and does not run without, so no bundle was written: ${d.reason}.`,
    'Give data with objects in them (--data) or a looser budget, or export the model without its selection of boxes.',
  ),
  'dim-unknown': entry(
    (d) => `The model's inputs have no dynamic axis named ${d.name}; they have ${d.known}.`,
    'Run `secateur inspect` to see the axes and give their sizes with --dim NAME=SIZE.',
  ),
  'dim-contradicts': entry(
    (d) => `The axis ${d.name} cannot have two sizes: ${d.reason}.`,
    'Give the size that the data have, or leave --dim out.',
  ),
  'sizes-not-found': entry(
    (d) => `The model does not run at any size that was guessed for its dynamic axes (${d.sizes}): ${d.reason}.`,
    'Give sizes that it runs at: --dim NAME=SIZE, once for each axis.',
  ),
  'sizes-too-large': entry(
    (d) => `With ${d.sizes} the model would need about ${d.needs} of memory; ${d.limit} may be used.`,
    'Give smaller sizes: --dim NAME=SIZE, once for each axis.',
  ),
  'data-empty': entry(
    (d) => `There are no samples in ${d.path}: ${d.reason}.`,
    'Give a folder of images, a CSV of path,label, or a .npy or .npz file.',
  ),
  'data-invalid': entry(
    (d) => `The data file ${d.path} cannot be used: ${d.reason}.`,
    'Write the file again (numpy.save, numpy.savez or a plain CSV) and check that it is complete.',
  ),
  'data-labels': entry(
    (d) => `The labels ${d.path} do not fit the data: ${d.reason}.`,
    'Give one label per sample, as class numbers from 0 or as class names.',
  ),
  'data-shape': entry(
    (d) => `The data does not fit the model's input: ${d.reason}.`,
    "Give data of the model's input shape, or say how to get there in a preprocessing file.",
  ),
  'data-not-finite': entry(
    (d) =>
      `The data ${d.path} hold values that are not numbers: ${d.sample} holds ${d.what}` +
      `${Number(d.bad) > 1 ? `, and ${d.bad} of ${d.of} samples are like it` : ''}.`,
    'Leave such samples out, or correct them: numpy.isfinite finds them (rows count from 0).',
  ),
  'image-unreadable': entry(
    (d) => `The image ${d.path} cannot be decoded: ${d.reason}.`,
    'Remove the file or replace it with a complete image.',
  ),
  'preprocess-invalid': entry(
    (d) => `The preprocessing ${d.path} cannot be used: ${d.reason}.`,
    'Correct the file; docs/data.md lists the keys.',
  ),
  'bundle-invalid': entry(
    (d) => `${d.path} is not a bundle that can be trusted: ${d.reason}.`,
    'Get the bundle again from where it was made, or export it again.',
  ),
  usage: entry(
    (d) => `The command line is not understood: ${d.reason}.`,
    'Run the command with --help to see what it takes.',
  ),
  'budget-invalid': entry(
    (d) => `"${d.text}" is not a budget: ${d.reason}.`,
    'Give milliseconds (12ms) or a share of the measured latency between 0 and 1 (0.5x or 50%).',
  ),
  'recipe-not-found': entry(
    (d) => `There is no recipe named ${d.name}; known are ${d.known}.`,
    'Name one of the known recipes, or give the path of a recipe file ending in .json.',
  ),
  'recipe-invalid': entry((d) => `The recipe ${d.path} is not valid: ${d.reason}.`, 'Correct the recipe file.'),
  'out-unusable': entry(
    (d) => `The output folder ${d.path} cannot be used: ${d.reason}.`,
    'Give another folder with --out.',
  ),
  'device-not-found': entry(
    (d) => `There is no device ${d.id}; known are ${d.known}.`,
    'Run `secateur devices list` to see the devices.',
  ),
  'device-not-local': entry(
    (d) => `The device ${d.id} is not this machine, so nothing can be measured on it here.`,
    'Run the command on that device, or leave --device out to measure on this machine.',
  ),
  'home-unwritable': entry(
    (d) => `The data directory ${d.path} cannot be written: ${d.reason}.`,
    'Set SECATEUR_HOME to a folder that you may write to.',
  ),
  'database-unusable': entry(
    (d) => `The database ${d.path} cannot be used: ${d.reason}.`,
    'Move the file away (jobs and measured latencies in it are lost), or set SECATEUR_HOME to another folder.',
  ),
  'database-too-new': entry(
    (d) => `The database ${d.path} has schema ${d.found}, but this version of Secateur knows ${d.newest}.`,
    'Use the newer Secateur that wrote it, or set SECATEUR_HOME to another folder.',
  ),
  'job-not-found': entry(
    (d) => `There is no job ${d.id}, or several begin so.`,
    'Run `secateur jobs list` to see the jobs.',
  ),
  'job-running': entry(
    (d) => `The job ${d.job} is under way in process ${d.pid}.`,
    'Wait for it, or stop it with `secateur jobs cancel`.',
  ),
  'job-done': entry((d) => `The job ${d.job} is finished.`, 'Run `secateur jobs show` to see its result.'),
  'job-not-running': entry(
    (d) => `The job ${d.job} is not under way: it is ${d.status}.`,
    'Run `secateur jobs list` to see which jobs are.',
  ),
  'job-under-way': entry((d) => `The job ${d.job} is ${d.status}, so it cannot be deleted.`, 'Cancel the job first.'),
  'request-invalid': entry(
    (d) => `The request ${d.route} does not fit: ${d.reason}.`,
    'Close the window and open it again; report it when it happens twice.',
  ),
  'request-refused': entry(
    (d) => `The request was refused: ${d.reason}.`,
    'Open the window from the address that `secateur serve` prints.',
  ),
  'path-refused': entry(
    (d) => `${d.path} was not chosen by you, so it is not opened.`,
    'Choose the file or folder in the window.',
  ),
  'threads-too-many': entry(
    (d) => `${d.threads} threads were asked for, and Secateur may use ${d.cores} cores of this machine.`,
    'Use as many threads as there are cores, or fewer.',
  ),
  'path-not-absolute': entry(
    (d) => `${d.path} is not a full path.`,
    'Type a path that begins with / (on Windows with a drive letter) or with ~ for the home folder.',
  ),
  'upload-too-large': entry(
    (d) => `These files take ${d.size}, and only ${d.free} are free where Secateur keeps uploads (${d.folder}).`,
    'Free some space on that disk, or put the files on the machine another way and choose them there.',
  ),
  'upload-failed': entry(
    (d) => `The file ${d.name} was not uploaded: ${d.reason}.`,
    'Drop the files again, or choose them on the machine where Secateur runs.',
  ),
  'port-unusable': entry(
    (d) => `The window cannot be served on port ${d.port}: ${d.reason}.`,
    'Give another port with --port, or leave it out.',
  ),
  interrupted: entry(
    () => 'The process that ran the job ended before the job did.',
    'Run `secateur jobs resume`: finished stages are not repeated.',
  ),
  cancelled: entry(() => 'The job was cancelled.', 'Run `secateur jobs resume`: finished stages are not repeated.'),
  'worker-died': entry(
    (d) => `The worker process ended in the middle of the job (${d.how}).`,
    'Run `secateur jobs resume`. When it happens again, free memory, or lower the batch or the number of calibration samples.',
  ),
  'worker-crashed': entry(
    (d) => `The worker process crashed in the middle of the job (${d.how}).`,
    'Run `secateur jobs resume`. When it crashes again at the same step, this is a defect of Secateur or of ONNX Runtime: report it with the log of the job.',
  ),
  'worker-not-ready': entry(
    (d) => `The worker process did not start: ${d.reason}.`,
    'Run `npm ci` again, and check that the native parts of the installation fit this machine.',
  ),
  'gradient-unsupported': entry(
    (d) => `The gradient of ${d.operator} (${d.node}) cannot be computed: ${d.reason}.`,
    'Choose criteria without a loss, and run the recipe without recovery.',
  ),
  'plan-invalid': entry(
    (d) => `The plan does not fit the model: ${d.reason}.`,
    'Use a plan made for this very model, and keep at least one unit of every group.',
  ),
  'own-cut-failed': entry(
    (d) => `Secateur cut the model wrongly, so nothing was exported: ${d.reason}.`,
    'This is a defect of Secateur, not of the model: report it together with the model and the log of the job.',
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

/** Codes of a disk without space, of a quota that is used up, and of a database that hit one of them. */
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

  /** Anything thrown becomes a catalogue error; the original stays as the cause. */
  static from(e: unknown): SecateurError {
    if (e instanceof SecateurError) return e;
    const full = SecateurError.ofFullDisk(e);
    if (full) return full;
    return new SecateurError('internal', { reason: e instanceof Error ? e.message : String(e) }, { cause: e });
  }

  /**
   * 'disk-full' where what was thrown, or what caused it, is a file system or database without space; else null.
   * @param folder what was being written to; default: what the error names
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
