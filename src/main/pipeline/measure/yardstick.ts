/**
 * A small fixed network whose latency shows the current speed of this machine. Processors change
 * their clock and share caches with other work, so milliseconds of different days are compared
 * relative to the yardstick.
 */
import { buildClassifier } from '../../engine/sample/classifier.ts';
import type { Candidate } from '../../runtime/bench.ts';
import { randomFeeds } from '../../runtime/random-inputs.ts';

/**
 * Part of the bundle format: with another network, milliseconds of older bundles would change their
 * meaning.
 */
const NETWORK = { size: 16, classes: 10, stem: 8, widths: [8, 16], blocks: 1, seed: 1 } as const;

/** Always one image at a time, whatever the batch of the measured models. */
export function yardstick(): Candidate {
  const model = buildClassifier(NETWORK);
  return { name: 'yardstick', model, feeds: randomFeeds(model, { batch: 1 }) };
}
