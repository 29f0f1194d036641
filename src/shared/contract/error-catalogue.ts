/** The catalogue of user-facing errors: a code, one sentence (a function of its details) and a remedy each. */

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
    (d) => `Internal error: ${d.reason}.`,
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
    (d) => `The disk has no space left for ${d.path ?? 'the files to write'}.`,
    'Free space on that disk, raise its quota, or choose another folder. Then run the command again.',
  ),
  'lfs-pointer': entry(
    (d) => `${d.path} is a Git LFS pointer: the content of the file was not downloaded.`,
    'Run `git lfs pull` in the repository of the file.',
  ),
  'model-replaced': entry(
    (d) => `The model changed after the job started: ${d.path} had the sha256 ${d.was}... and now has ${d.is}...`,
    'Restore the first model and resume the job, or start a new job with this model.',
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
    'Choose one with --component ID, or give its .onnx file. For a budget on the whole package, give pictures: --questions, or --image and --prompt.',
  ),
  'workload-metric': entry(
    (d) => `The workload has no metric ${d.metric}; it has ${d.known}.`,
    'Choose one of them with --metric.',
  ),
  'workload-component': entry(
    (d) => `The component ${d.component} cannot be pruned for this budget: ${d.reason}.`,
    'Choose a component that the metric depends on, or another metric or budget. `secateur bench` on the package shows the phases.',
  ),
  'workload-setting': entry(
    (d) => `The workload setting ${d.name} cannot be used: ${d.reason}.`,
    'Run `secateur bench` on the package without settings to see those that it has.',
  ),
  'tokens-refused': entry(
    (d) => `The number of visual tokens cannot be changed: ${d.reason}.`,
    'docs/tokens.md lists the packages that allow it. `secateur compress` can prune the vision component of others.',
  ),
  'tokens-method': entry(
    (d) => `There is no token method ${d.name}. Methods: ${d.known}.`,
    'Choose one of them with --method, or leave it out for a table of all.',
  ),
  'tokens-method-refused': entry(
    (d) => `The method ${d.method} cannot be used on this package: ${d.reason}.`,
    'Choose another one with --method, or leave it out for a table of all.',
  ),
  'tokens-keep': entry(
    (d) => `${d.keep} visual tokens cannot be kept: the vision component gives ${d.free} for each picture or tile.`,
    'Give a smaller whole number from 1 on, or a share such as 0.5x, with --keep.',
  ),
  'recover-refused': entry(
    (d) => `The package cannot be recovered by training: ${d.reason}.`,
    'Leave out --recover, or keep more tokens. docs/tokens-recovery.md lists what training needs.',
  ),
  'recover-questions': entry(
    (d) => `Recovery needs at least ${d.least} questions about pictures, and there are ${d.given}: some are held out.`,
    'Give more with --questions, or more pictures with --image: each picture is asked every --prompt.',
  ),
  'run-unsupported': entry(
    (d) => `The package cannot be run: ${d.reason}.`,
    'docs/generate.md lists the packages that can be run. `secateur bench` measures the components of the others.',
  ),
  'run-package': entry(
    (d) => `The package cannot be run: ${d.reason}.`,
    'Check that all components and configuration files come from the same export.',
  ),
  'run-input': entry(
    (d) => `The component ${d.component} takes the input ${d.input}, and there is no value for it: ${d.reason}.`,
    'Export the component without this input, or with one of the inputs that docs/generate.md lists.',
  ),
  'run-image': entry(
    (d) => `The picture cannot be used: ${d.reason}.`,
    'Give a picture that the package takes, with --image FILE.',
  ),
  'run-prompt': entry((d) => `The prompt cannot be used: ${d.reason}.`, 'Give another text with --prompt TEXT.'),
  'prompt-too-long': entry(
    (d) => `The prompt takes ${d.tokens} tokens, and the package has ${d.limit} positions.`,
    'Give a shorter prompt, or a smaller picture.',
  ),
  'tokenizer-unusable': entry(
    (d) => `The tokenizer of ${d.path} cannot be used: ${d.reason}.`,
    'Copy tokenizer.json and tokenizer_config.json of the same model to the folder of the package.',
  ),
  'model-not-protobuf': entry(
    (d) => `${d.path ?? 'The file'} is not an ONNX file: ${d.reason}.`,
    'Export the model again, and check that the file is not an archive or a web page.',
  ),
  'model-truncated': entry(
    (d) => `${d.path ?? 'The model'} ends in the middle of a field: ${d.reason}.`,
    'Copy or export the file again. It is incomplete.',
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
    (d) => `The model declares more data than it can hold: ${d.reason}.`,
    'Export the model again. A length in it is wrong.',
  ),
  'model-over-2gib': entry(
    (d) => `The model takes ${d.bytes} bytes as one file, and ONNX files are limited to 2 GiB.`,
    'Save it with external data.',
  ),
  'external-data-outside': entry(
    (d) => `Tensor ${d.tensor} points to external data outside the model's folder: ${d.location}.`,
    'Put the data file in the folder of the model and refer to it by a relative path.',
  ),
  'external-data-missing': entry(
    (d) => `Tensor ${d.tensor} needs the external data file ${d.location}, which does not exist.`,
    'Copy the data file to the folder of the model.',
  ),
  'external-data-range': entry(
    (d) => `Tensor ${d.tensor} needs bytes ${d.offset} to ${d.end} of ${d.location}, which has only ${d.size}.`,
    'Copy or export the data file again. It is incomplete.',
  ),
  'model-no-inputs': entry(
    () => 'The model has no inputs, so no data can be fed to it.',
    'Export the model again with the tensors that it reads as graph inputs.',
  ),
  'input-not-tensor': entry(
    (d) => `The input ${d.input} has the type ${d.type}, and only tensors can be fed.`,
    'Export the model again with tensors as inputs.',
  ),
  'input-type': entry(
    (d) => `The input ${d.input} has elements of type ${d.type}, which the Node binding of ONNX Runtime cannot feed.`,
    'Export the model again with a numeric input (float32, float16, integers or bool), or without the operator that reads it.',
  ),
  'output-not-tensor': entry(
    (d) => `The output ${d.output} has the type ${d.type}, and only tensors can be compared.`,
    'Export the model again with tensors as outputs (scikit-learn classifiers: without ZipMap), or remove this output.',
  ),
  'runtime-rejected': entry(
    (d) => `ONNX Runtime cannot run the model: ${d.reason}.`,
    'Check that the model runs in ONNX Runtime without Secateur.',
  ),
  'own-graph-rejected': entry(
    (d) => `ONNX Runtime runs the original model, but not a graph that Secateur made from it: ${d.reason}.`,
    'This is a defect of Secateur, unless the data contain values that the model cannot take. Run the command again with SECATEUR_DEBUG=1 and report the trace that it prints.',
  ),
  'boxes-needed': entry(
    (d) => `The model runs only when it finds boxes, and it finds none in these inputs: ${d.reason}.`,
    'Give data that contain objects (--data), or export the model without its selection of boxes.',
  ),
  'golden-without-boxes': entry(
    (d) =>
      `No bundle was written: the pruned model finds no boxes in ${d.tried} inputs and does not run without boxes: ${d.reason}.`,
    'Give data that contain objects (--data), set a looser budget, or export the model without its selection of boxes.',
  ),
  'dim-unknown': entry(
    (d) => `The model's inputs have no dynamic axis named ${d.name}; they have ${d.known}.`,
    'Run `secateur inspect` to see the axes, and give their sizes with --dim NAME=SIZE.',
  ),
  'dim-contradicts': entry(
    (d) => `The axis ${d.name} cannot have two sizes: ${d.reason}.`,
    'Give the size of the data, or omit --dim.',
  ),
  'sizes-not-found': entry(
    (d) => `The model does not run at the sizes that were assumed for its dynamic axes (${d.sizes}): ${d.reason}.`,
    'Give sizes at which it runs: --dim NAME=SIZE, once for each axis.',
  ),
  'sizes-too-large': entry(
    (d) => `With ${d.sizes} the model needs about ${d.needs} of memory, and the limit is ${d.limit}.`,
    'Give smaller sizes: --dim NAME=SIZE, once for each axis.',
  ),
  'data-empty': entry(
    (d) => `${d.path} contains no samples: ${d.reason}.`,
    'Give a folder of images, a table (CSV or TSV), or a .npy or .npz file; docs/data.md describes them.',
  ),
  'data-invalid': entry(
    (d) => `The data file ${d.path} cannot be used: ${d.reason}.`,
    'Write the file again (numpy.save, numpy.savez or CSV), and check that it is complete.',
  ),
  'data-labels': entry(
    (d) => `The labels ${d.path} do not match the data: ${d.reason}.`,
    'Give one label per sample, as class numbers from 0 or as class names.',
  ),
  'data-shape': entry(
    (d) => `The data do not match the model's input: ${d.reason}.`,
    "Give data with the shape of the model's input, or describe the conversion in a preprocessing file.",
  ),
  'data-input-missing': entry(
    (d) => `The data ${d.path} have nothing for ${d.names}. The inputs of the model are ${d.inputs}.`,
    'Give a .npz, a folder of .npy files or a table with one array or column for each input, called like the input. Masks, positions and timesteps may be left out.',
  ),
  'data-input-unknown': entry(
    (d) => `The data ${d.path} hold ${d.names}, which the model has no input for. Its inputs are ${d.inputs}.`,
    'Rename the part like an input, or leave it out. Labels are called labels or y.',
  ),
  'data-rows': entry(
    (d) =>
      `The parts of ${d.path} have different numbers of samples: ${d.a} has ${d.rowsA}, and ${d.b} has ${d.rowsB}.`,
    'Give every input the same number of samples, in the same order.',
  ),
  'data-cell': entry(
    (d) => `The table ${d.path} cannot be used: row ${d.row} of the column ${d.column}: ${d.reason}.`,
    'A cell holds the path of an image, the path of a .npy file with one sample, or numbers separated by spaces. Rows count from 0, without the header.',
  ),
  'question-row': entry(
    (d) => `The questions ${d.path} cannot be used: row ${d.row} of the column ${d.column}: ${d.reason}.`,
    'docs/quality-vlm.md describes the columns. Paths of pictures are relative to the file. Rows count from 0, without the header.',
  ),
  'data-range': entry(
    (d) =>
      `The data ${d.path} contain a value that the input ${d.input} cannot take: ${d.sample} holds ${d.value}, and ${d.allowed} are allowed, because ${d.why}.`,
    'Correct these values: ids count from 0 and are smaller than the table, masks hold 0 and 1. Rows count from 0.',
  ),
  'data-not-finite': entry(
    (d) =>
      `The data ${d.path} contain values that are not finite: ${d.sample} holds ${d.what}` +
      `${Number(d.bad) > 1 ? `, and ${d.bad} of ${d.of} samples have such values` : ''}.`,
    'Remove or correct these samples. numpy.isfinite finds them; rows count from 0.',
  ),
  'image-unreadable': entry(
    (d) => `The image ${d.path} cannot be decoded: ${d.reason}.`,
    'Remove the file, or replace it with a complete image.',
  ),
  'preprocess-invalid': entry(
    (d) => `The preprocessing ${d.path} cannot be used: ${d.reason}.`,
    'Correct the file; docs/data.md lists the keys.',
  ),
  'bundle-invalid': entry(
    (d) => `${d.path} is not a valid bundle: ${d.reason}.`,
    'Get the bundle again from its source, or export it again.',
  ),
  usage: entry(
    (d) => `The command line is invalid: ${d.reason}.`,
    'Run the command with --help to see its arguments and options.',
  ),
  'budget-invalid': entry(
    (d) => `"${d.text}" is not a budget: ${d.reason}.`,
    'Give milliseconds (12ms) or a share of the measured latency between 0 and 1 (0.5x or 50%).',
  ),
  'recipe-not-found': entry(
    (d) => `There is no recipe named ${d.name}. Known recipes: ${d.known}.`,
    'Give the name of a known recipe, or the path of a recipe file that ends in .json.',
  ),
  'recipe-invalid': entry((d) => `The recipe ${d.path} is not valid: ${d.reason}.`, 'Correct the recipe file.'),
  'out-unusable': entry(
    (d) => `The output folder ${d.path} cannot be used: ${d.reason}.`,
    'Give another folder with --out.',
  ),
  'device-not-found': entry(
    (d) => `There is no device ${d.id}. Known devices: ${d.known}.`,
    'Run `secateur devices list` to see the devices.',
  ),
  'device-not-local': entry(
    (d) => `The device ${d.id} is not this machine and cannot be measured here.`,
    'Run the command on that device, or omit --device to measure on this machine.',
  ),
  'home-unwritable': entry(
    (d) => `The data directory ${d.path} cannot be written: ${d.reason}.`,
    'Set SECATEUR_HOME to a folder with write permission.',
  ),
  'database-unusable': entry(
    (d) => `The database ${d.path} cannot be used: ${d.reason}.`,
    'Move the file away, which loses its jobs and measured latencies, or set SECATEUR_HOME to another folder.',
  ),
  'database-too-new': entry(
    (d) => `The database ${d.path} has schema ${d.found}, but this version of Secateur knows ${d.newest}.`,
    'Use the newer Secateur that wrote it, or set SECATEUR_HOME to another folder.',
  ),
  'job-not-found': entry(
    (d) => `No single job has an id that begins with ${d.id}.`,
    'Run `secateur jobs list` to see the jobs.',
  ),
  'job-running': entry(
    (d) => `The job ${d.job} is running in process ${d.pid}.`,
    'Wait until it ends, or stop it with `secateur jobs cancel`.',
  ),
  'job-done': entry((d) => `The job ${d.job} is finished.`, 'Run `secateur jobs show` to see its result.'),
  'job-not-running': entry(
    (d) => `The job ${d.job} is not running: it is ${d.status}.`,
    'Run `secateur jobs list` to see the running jobs.',
  ),
  'job-under-way': entry((d) => `The job ${d.job} is ${d.status}, so it cannot be deleted.`, 'Cancel the job first.'),
  'request-invalid': entry(
    (d) => `The request ${d.route} is invalid: ${d.reason}.`,
    'Close the window and open it again. Report the error if it happens again.',
  ),
  'request-refused': entry(
    (d) => `The request was refused: ${d.reason}.`,
    'Open the window from the address that `secateur serve` prints.',
  ),
  'path-refused': entry(
    (d) => `${d.path} cannot be opened: it was not chosen.`,
    'Choose the file or folder in the window.',
  ),
  'threads-too-many': entry(
    (d) => `${d.threads} threads were requested, and Secateur may use ${d.cores} cores of this machine.`,
    'Request at most as many threads as cores.',
  ),
  'path-not-absolute': entry(
    (d) => `${d.path} is not an absolute path.`,
    'Type a path that begins with / (on Windows: a drive letter) or with ~ for the home folder.',
  ),
  'upload-too-large': entry(
    (d) => `These files take ${d.size}, and the upload folder ${d.folder} has ${d.free} free.`,
    'Free space on that disk, or copy the files to the machine in another way and choose them there.',
  ),
  'upload-failed': entry(
    (d) => `The file ${d.name} was not uploaded: ${d.reason}.`,
    'Drop the files again, or choose them on the machine that runs Secateur.',
  ),
  'port-unusable': entry(
    (d) => `The window cannot be served on port ${d.port}: ${d.reason}.`,
    'Give another port with --port, or omit --port.',
  ),
  interrupted: entry(
    () => 'The process of the job ended before the job was finished.',
    'Run `secateur jobs resume`. Finished stages are not repeated.',
  ),
  cancelled: entry(
    () => 'The job was cancelled.',
    'Run the command again, or `secateur jobs resume` with the id of the job. `compress` does not repeat finished stages.',
  ),
  'worker-died': entry(
    (d) => `The worker process ended during the job (${d.how}).`,
    'Run `secateur jobs resume`. If it ends again, free memory, or use a smaller batch or fewer calibration samples.',
  ),
  'worker-crashed': entry(
    (d) => `The worker process crashed during the job (${d.how}).`,
    'Run `secateur jobs resume`. A second crash at the same step is a defect of Secateur or of ONNX Runtime: report it with the log of the job.',
  ),
  'worker-not-ready': entry(
    (d) => `The worker process did not start: ${d.reason}.`,
    'Run `npm ci` again, and check that the native packages match this machine.',
  ),
  'gradient-unsupported': entry(
    (d) => `The gradient of ${d.operator} (${d.node}) cannot be computed: ${d.reason}.`,
    'Choose a criterion that needs no gradient, and run the recipe without recovery.',
  ),
  'plan-invalid': entry(
    (d) => `The plan does not match the model: ${d.reason}.`,
    'Use a plan made for this model, and keep at least one unit of every group.',
  ),
  'own-cut-failed': entry(
    (d) => `Nothing was exported, because Secateur cut the model incorrectly: ${d.reason}.`,
    'This is a defect of Secateur, not of the model. Report it with the model and the log of the job.',
  ),
} as const satisfies Record<string, CatalogueEntry>;
