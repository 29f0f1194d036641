/** The figures of quality that judge a result, as table rows. */
import type { OutputReading, Quality } from '../../shared/model/job.ts';
import type { Interval } from '../../shared/model/quality.ts';

export interface QualityRow {
  readonly key: string;
  readonly kind: 'top1' | 'agreement' | 'psnr';
  /** Name of the output, when there are several outputs. */
  readonly output: string | null;
  readonly reading: OutputReading | null;
  readonly before: number | null;
  /** A share; for 'psnr' in dB, where null means an exact match. */
  readonly after: number | null;
  readonly interval: Interval | null;
  readonly samples: number;
  /** Reason why there is no figure. */
  readonly unjudged: string | null;
}

const BLANK = { output: null, reading: null, before: null, after: null, interval: null, unjudged: null } as const;

export function qualityRows(before: Quality | null, after: Quality): QualityRow[] {
  const { samples } = after;
  const rows: QualityRow[] = [];
  if (after.top1 !== undefined)
    rows.push({
      ...BLANK,
      key: 'top1',
      kind: 'top1',
      before: before?.top1 ?? null,
      after: after.top1,
      interval: after.top1Interval ?? null,
      samples,
    });
  for (const o of after.outputs ?? []) {
    const named = {
      ...BLANK,
      output: after.outputs!.length > 1 ? o.name : null,
      reading: o.reading,
      samples: o.samples,
    };
    // An agreement that says nothing is not shown beside the reason.
    if (o.unjudged !== undefined) rows.push({ ...named, key: o.name, kind: 'agreement', unjudged: o.unjudged });
    else if (o.agreement !== undefined)
      rows.push({
        ...named,
        key: o.name,
        kind: 'agreement',
        before: 1,
        after: o.agreement,
        interval: o.interval ?? null,
      });
    if (o.psnrDb !== undefined) rows.push({ ...named, key: `${o.name} psnr`, kind: 'psnr', after: o.psnrDb });
  }
  // Reports of earlier versions do not judge outputs one by one.
  if (!after.outputs && after.agreement !== undefined)
    rows.push({
      ...BLANK,
      key: 'agreement',
      kind: 'agreement',
      before: 1,
      after: after.agreement,
      interval: after.agreementInterval ?? null,
      samples,
    });
  return rows;
}
