// npm run samples: trains the samples with the project's own autodiff and writes resources/samples.
// `--only classifier`, `--only vlm` and `--only questions` choose one; the last one draws questions about
// scenes and trains nothing. `--threads N` and `--out DIR` hold for all. The same seed draws the same
// data and the same initial weights; sums differ in the last bits between processors, so the trained
// weights do too.
import { join, resolve } from 'node:path';
import { trainSampleClassifier } from './samples/classifier.ts';
import { trainSampleVlm } from './samples/vlm.ts';
import { writeVlmQuestions } from './samples/vlm-questions.ts';

export default async function main(args: string[]): Promise<void> {
  const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const only = option('--only');
  if (only !== undefined && !['classifier', 'vlm', 'questions'].includes(only))
    throw new Error('usage: npm run samples -- [--only classifier|vlm|questions] [--threads N] [--out DIR]');
  const makes = (name: string): boolean => only === undefined || only === name;
  if (makes('classifier')) await trainSampleClassifier(option);
  if (makes('vlm')) await trainSampleVlm(option);
  if (makes('vlm') || makes('questions'))
    console.log(
      `${await writeVlmQuestions(join(resolve(option('--out') ?? 'resources/samples'), 'scenes-questions'))} questions`,
    );
}
