/** How the garbage collector weighs tensors, whose memory lies outside its heap. */
import { setFlagsFromString } from 'node:v8';

/** Later engines always do it and no longer know the flag. */
const ENGINE = /^13\.6\./;

/**
 * Makes the collector judge memory outside its heap by how much of it there is. Otherwise it begins a collection each time
 * that 64 MiB more of it were taken: where activations of a network come and go that is one after the other, none of which
 * finds anything, on the core that the runtime's second thread needs.
 */
export function weighExternalMemory(engine: string = process.versions.v8): boolean {
  if (!ENGINE.test(engine)) return false;
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  return true;
}
