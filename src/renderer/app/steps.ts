/** The steps of a job as the window shows them, in order. */
export interface Step {
  readonly name: string;
  readonly what: string;
}

export const STEPS: readonly Step[] = [
  { name: 'Model', what: 'Open an ONNX file: its inputs, operators, cost and what can be pruned.' },
  { name: 'Device and budget', what: 'Say how fast it must be, where: milliseconds, or a share of what it takes now.' },
  { name: 'Data', what: 'Give images like those the model will see. Labels help and are not required.' },
  { name: 'Recipe', what: 'Choose how to score, share out and recover, or keep the defaults.' },
  { name: 'Run', what: 'Score, cut, measure, correct and recover, with progress and an estimate of the time left.' },
  {
    name: 'Review',
    what: 'Before and after: latency, size, accuracy, and everything that was skipped with its reason.',
  },
  { name: 'Export', what: 'A bundle with the model, its measurements and golden outputs, verified by running it.' },
];
