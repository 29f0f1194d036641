import { SecateurError } from '../../../shared/contract/errors.ts';
import { checkLocation } from './external.ts';
import type { ByteSource, DataResolver } from './source.ts';

/** One unit stands for about a hundred bytes of memory. The limit stops hostile files with millions of empty parts. */
const MAX_UNITS = 12_000_000;
/** Maximum nesting of subgraphs; protobuf's own readers stop at about 33 (100 nested messages). */
export const MAX_DEPTH = 32;

/** State shared by the readers of one model. */
export class ReadContext {
  readonly #resolve: DataResolver | undefined;
  readonly #sources = new Map<string, ByteSource>();
  #units = 0;

  constructor(resolve?: DataResolver) {
    this.#resolve = resolve;
  }

  /** Accounts for the memory of the model's parts. */
  spend(units: number): void {
    this.#units += units;
    if (this.#units > MAX_UNITS) throw new SecateurError('model-too-large', { reason: 'it has too many parts' });
  }

  /** The data file at a location, opened once; undefined when it cannot be resolved. */
  external(tensor: string, location: string): ByteSource | undefined {
    if (!this.#resolve) return undefined;
    let s = this.#sources.get(location);
    if (!s) {
      checkLocation(tensor, location);
      try {
        s = this.#resolve(location);
      } catch (e) {
        // The resolver knows files, not tensors.
        if (e instanceof SecateurError) throw new SecateurError(e.code, { ...e.detail, tensor }, { cause: e });
        throw e;
      }
      this.#sources.set(location, s);
    }
    return s;
  }
}
