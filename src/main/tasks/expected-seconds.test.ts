import { expect, it } from 'vitest';
import { expectedSeconds } from './expected-seconds.ts';

it('expects training only where it is asked for, and for the time that it is given', () => {
  const past = { lessons: 40, recover: 300 };
  expect(expectedSeconds('tokens', { images: ['a.png'] }, past, true)).toEqual({
    seconds: { load: 3, write: 1, measure: 30, answers: 20 },
    measured: true,
    limited: [],
  });
  const recovered = expectedSeconds('tokens', { images: ['a.png'], recover: { seconds: 60 } }, past, true);
  expect(recovered.seconds).toMatchObject({ lessons: 40, recover: 60, judge: 5 });
  expect(recovered.limited).toEqual(['recover']);
});
