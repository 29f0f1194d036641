/** Which cells of a picture stay when a token method selects behind the vision component. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Executor } from '../../engine/executor.ts';
import { KEPT, refusalAfter, selectAfter } from '../../engine/structures/tokens/after.ts';
import type { TokenMethod } from '../../engine/structures/tokens/method.ts';
import type { ImageInput } from '../../runtime/generate/contract.ts';
import { openRunner } from '../prepare/open-runner.ts';
import type { TokenSubject } from './subject.ts';

export interface KeptCells {
  readonly grid: readonly [rows: number, columns: number];
  /**
   * Cells that stay in each picture that the encoder gets: of one picture, or of its tiles row by row and the overview
   * behind them. Numbered row by row from 0, ascending.
   */
  readonly parts: readonly (readonly number[])[];
}

export interface KeptCellsReader {
  /** @throws 'image-unreadable', 'run-image', 'run-input' */
  read(image: ImageInput): Promise<KeptCells>;
  close(): Promise<void>;
}

/**
 * Opens the vision component with the indices of a method as one more output. A token that others were merged into names
 * the cell at whose place it stands.
 * @param keep tokens that stay per picture or tile, without class tokens; fewer than all
 * @throws 'tokens-method-refused'
 */
export function openKeptCells(
  { pkg, model, place, encoder }: TokenSubject,
  method: TokenMethod,
  keep: number,
  options: { readonly executor: Executor; readonly provider?: string; readonly threads?: number },
): KeptCellsReader {
  const { grid, fixed } = place;
  const none = method.averages ? 'its tokens are means of blocks' : grid ? null : 'the tokens have no known grid';
  const refused = refusalAfter(model, place, method, keep) ?? none;
  if (refused !== null || !grid) throw new SecateurError('tokens-method-refused', { method: method.name, reason: refused }); // prettier-ignore
  const reporting = selectAfter(model, place, method, keep, { report: true });
  const runner = openRunner(pkg, { ...options, replaced: new Map([[encoder.id, reporting]]) });
  return {
    async read(image) {
      const { outputs } = await runner.encodeImage(image);
      const { data, dims } = outputs[KEPT]!;
      const [images, rows] = dims as [number, number];
      const cells = Array.from(data as BigInt64Array, (token) => Number(token) - fixed);
      const parts = Array.from({ length: images }, (_, i) => cells.slice(i * rows + fixed, (i + 1) * rows));
      return { grid, parts };
    },
    close: () => runner.close(),
  };
}
