import { describe, expect, it } from 'vitest';
import { qualityRows } from './quality-rows.ts';

const figures = (rows: ReturnType<typeof qualityRows>) =>
  rows.map((r) => [r.kind, r.output, r.before, r.after, r.samples, r.interval]);

describe('the figures of a result', () => {
  it('come with the samples and the interval of each output', () => {
    const interval = { low: 0.1, high: 0.2 };
    const rows = qualityRows(
      { samples: 200, snrDb: null, top1: 0.74 },
      {
        samples: 200,
        snrDb: 3,
        top1: 0.14,
        top1Interval: interval,
        agreement: 0.2,
        outputs: [
          { name: 'a', reading: 'classes', samples: 200, agreement: 0.2, interval },
          { name: 'b', reading: 'image', samples: 150, psnrDb: 31 },
          { name: 'c', reading: 'boxes', samples: 0, unjudged: 'no boxes in any sample' },
        ],
      },
    );
    expect(figures(rows)).toEqual([
      ['top1', null, 0.74, 0.14, 200, interval],
      ['agreement', 'a', 1, 0.2, 200, interval],
      ['psnr', 'b', null, 31, 150, null],
      ['agreement', 'c', null, null, 0, null],
    ]);
    expect(rows[3]!.unjudged).toBe('no boxes in any sample');
    expect(new Set(rows.map((r) => r.key)).size).toBe(rows.length);
  });

  it('of an output that cannot be judged are one row with the reason', () => {
    const unjudged = 'the original gives the same class for every sample';
    const output = { name: 'a', reading: 'classes', samples: 32, agreement: 1, unjudged } as const;
    const rows = qualityRows(null, { samples: 32, snrDb: 1, agreement: 1, outputs: [output] });
    expect(rows).toMatchObject([{ kind: 'agreement', after: null, unjudged }]);
  });

  it('of an earlier version are one row', () => {
    expect(figures(qualityRows(null, { samples: 9, snrDb: 1, agreement: 0.5 }))).toEqual([
      ['agreement', null, 1, 0.5, 9, null],
    ]);
  });
});
