// npm run samples: trains the samples with the project's own autodiff and writes resources/samples.
// `--only classifier` and `--only vlm` choose one; `--threads N` and `--out DIR` hold for both. The
// same seed draws the same data and the same initial weights; sums differ in the last bits between
// processors, so the trained weights do too.
import { trainSampleClassifier } from './samples/classifier.ts';
import { trainSampleVlm } from './samples/vlm.ts';

export default async function main(args: string[]): Promise<void> {
  const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const only = option('--only');
  if (only !== undefined && only !== 'classifier' && only !== 'vlm')
    throw new Error('usage: npm run samples -- [--only classifier|vlm] [--threads N] [--out DIR]');
  if (only !== 'vlm') await trainSampleClassifier(option);
  if (only !== 'classifier') await trainSampleVlm(option);
}
