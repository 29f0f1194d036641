import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { benchRequest } from '../../services/requests.ts';
import { threadsNote } from './threads-note.ts';

it('says how many threads were used where fewer are there than were asked for', () => {
  const here = availableParallelism();
  const { threads, threadsAsked } = benchRequest(import.meta.filename, undefined, { threads: here + 3 }, '/');
  expect(threads).toBe(here);
  expect(threadsNote(threads, threadsAsked)).toEqual([expect.stringContaining(`${here + 3} threads were requested`)]);
  const plain = benchRequest(import.meta.filename, undefined, { threads: 1 }, '/');
  expect(threadsNote(plain.threads, plain.threadsAsked)).toEqual([]);
});
