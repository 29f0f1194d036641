/** Configures how the garbage collector counts tensors, whose memory lies outside its heap. */
import { setFlagsFromString } from 'node:v8';

/** Later engines always do this and no longer have the flag. */
const ENGINE = /^13\.6\./;

/**
 * Makes the collector judge memory outside its heap by its total size. By default, each further 64 MiB of it starts a
 * collection. When a network's activations come and go, such collections follow one another without freeing anything,
 * on the core that the runtime's second thread needs.
 */
export function weighExternalMemory(engine: string = process.versions.v8): boolean {
  if (!ENGINE.test(engine)) return false;
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  return true;
}
