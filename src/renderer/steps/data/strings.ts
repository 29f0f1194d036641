/** Texts of the step Data. */
import type { OutputReading } from '../../../shared/model/job.ts';
import { READING_TEXT } from '../../../shared/model/readings.ts';

export const step = {
  name: 'Data',
  title: 'Calibration data',
  lead: 'Samples like those that the model will see in use. They determine what is pruned and how the result is evaluated.',
};

export const readingLabel = (reading: OutputReading): string => READING_TEXT[reading].label;

export const strings = {
  classes: 'classes',
  dataForm: 'Form',
  outputsRead: 'Types of outputs',
  outputsReadHint:
    'The type of an output determines how quality is measured. Correct a type that was inferred wrongly.',
  readAs: 'Type',
  inferred: 'inferred',
  asInferred: 'As inferred',
  guessed: 'A guess:',
  setByYou: 'set by you',
  originalOnData: 'The original model on these data',
  originalTop1: 'Top-1 accuracy',
  chance: 'Most frequent label',
  judgedSamples: 'Evaluated samples',
  of: 'of',
  mean: 'mean',
  inputRange: 'Range of input values',
  tooFewSamples: 'Fewer than 30 samples. No result can be accepted on so few.',
  fewSamples: 'Fewer than 100 samples. Quality is measured with a large uncertainty.',
  proposes: 'The accuracy is near chance. Better preprocessing:',
  usePreset: 'Use it',
  triedPresets: 'Tested preprocessing',
  predictedClasses: 'Predicted most often',
  presets: 'Preprocessing presets',
  noPreset: 'From the file or the model',
  noDataCost:
    'Without data, sensitivities come from random inputs. Weights are not refitted, nothing is recovered and quality is not measured. Expect a much worse model.',
  labels: 'Labels',
  preprocess: 'Preprocessing',
  dataKinds:
    'A folder of images (flat, or one folder per class), a CSV of path,label, or .npy / .npz arrays. For several inputs: a .npz, a folder of .npy files or a table with one part for each input, called like it.',
  samplesSeen: 'Samples',
  afterPreprocess: 'Model inputs, after preprocessing',
} as const;
