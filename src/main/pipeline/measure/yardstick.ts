/**
 * A small fixed network whose time tells how fast this machine is at the moment. Processors change their clock and share
 * their caches with other work: milliseconds of one day are compared with those of another by what the yardstick took then.
 */
import { buildClassifier } from '../../engine/sample/classifier.ts';
import type { Candidate } from '../../runtime/bench.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';

/** Part of the bundle format: with another network, milliseconds of older bundles would mean something else. */
const NETWORK = { size: 16, classes: 10, stem: 8, widths: [8, 16], blocks: 1, seed: 1 } as const;

/** One picture at a time, whatever the batch of what is measured beside. */
export function yardstick(): Candidate {
  const model = buildClassifier(NETWORK);
  return { name: 'yardstick', model, feeds: randomFeeds(model, { batch: 1 }) };
}
