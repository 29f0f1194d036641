// node scripts/run.mjs scripts/samples-vlm.ts FOLDER [COUNT]: answers COUNT questions about unseen
// pictures with the package in FOLDER and prints the share of exact answers per type.
import { evaluateVlm, resultRows } from './samples/vlm-evaluate.ts';
import { VLM_TEST_SEED } from './samples/vlm.ts';

export default async function main([folder, count = '2000']: string[]): Promise<void> {
  if (!folder || !(Number(count) >= 1)) throw new Error('usage: samples-vlm.ts FOLDER [COUNT]');
  const results = await evaluateVlm(folder, { seed: VLM_TEST_SEED, count: Number(count), threads: 1 });
  console.log(resultRows(results).join('\n'));
}
