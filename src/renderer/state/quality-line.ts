/** The single figure of quality shown in a list row. */
import type { ResultSummary } from '../../shared/contract/routes.ts';
import { percent } from '../app/format.ts';
import { qualityRows, type QualityRow } from './quality-rows.ts';

export interface QualityLine {
  readonly kind: QualityRow['kind'];
  readonly text: string;
  readonly samples: number;
}

/** Accuracy when there are labels, otherwise the worst output; null when nothing was judged. */
export function qualityLine({
  qualityBefore,
  quality,
}: Pick<ResultSummary, 'qualityBefore' | 'quality'>): QualityLine | null {
  if (!quality) return null;
  const judged = qualityRows(qualityBefore, quality).filter((r) => r.unjudged === null && r.samples > 0);
  const worst = (kind: QualityRow['kind']): QualityRow | undefined =>
    judged.filter((r) => r.kind === kind).sort((a, b) => (a.after ?? Infinity) - (b.after ?? Infinity))[0];
  const row = worst('top1') ?? worst('agreement') ?? worst('psnr');
  return row ? { kind: row.kind, text: textOf(row), samples: row.samples } : null;
}

function textOf({ kind, before, after }: QualityRow): string {
  if (kind === 'psnr') return after === null ? '∞ dB' : `${after.toFixed(1)} dB`;
  const now = percent(after ?? 0);
  // The original agrees with itself completely, so its figure is not shown.
  return kind === 'top1' && before !== null ? `${percent(before)} → ${now}` : now;
}
