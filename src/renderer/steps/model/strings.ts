/** Sentences of the step model. */
import type { Family } from '../../../shared/model/types.ts';

export const step = {
  name: 'Model',
  title: 'Choose a model',
  lead: 'An ONNX file. It is read in place and never changed.',
};

export const families: Readonly<Record<Family, string>> = {
  cnn: 'Convolutional (CNN)',
  vit: 'Vision transformer',
  'dual-encoder': 'Dual encoder (CLIP)',
  vlm: 'Vision-language model',
  moe: 'Mixture of experts',
  lm: 'Language model',
  diffusion: 'Diffusion',
  unknown: 'Not recognised',
};

export const strings = {
  drop: 'Drop an .onnx file or its folder here, or choose one',
  dropServed: 'Drop an .onnx file or its folder here to upload it, or choose one on the machine that runs Secateur',
  detected: 'detected',
  corrected: 'set by you',
  macShares: 'Shares of the MACs. The latency is not measured yet.',
  perRun: 'of one measured run',
  chooseModel: 'Choose a model',
  samples: 'Samples',
  recent: 'Recent',
  noRecent: 'Models that you open are listed here.',
  inputs: 'Inputs',
  outputs: 'Outputs',
  macs: 'MACs',
  params: 'Parameters',
  operators: 'Operators',
  sizes: 'Sizes of dynamic axes',
  sizesHint: 'The model is inspected, measured and pruned at these sizes. Sizes of the data take precedence.',
  sizeFrom: {
    data: 'from the data',
    given: 'set by you',
    guessed: 'assumed',
    follows: 'derived from other sizes',
  },
  sizesGiven: 'Sizes as NAME=SIZE, separated by commas',
  applySizes: 'Apply',
  opset: 'Operator set',
  groups: 'Prunable groups',
  blocks: 'Removable blocks',
  skipped: 'Not pruned',
  nothingSkipped: 'Every linear operator can be pruned.',
  whereTime: 'Latency by operator',
  measureTime: 'Measure',
  noGroups: 'Nothing in this model can be pruned.',
} as const;
