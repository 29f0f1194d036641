import { describe, expect, it } from 'vitest';
import { deathOf } from './death.ts';

const payload = (exit: Parameters<typeof deathOf>[0], words: string[] = []) =>
  deathOf(exit, undefined, true, words, 'compress').toPayload();

describe('a worker that ended', () => {
  it.each([
    [{ code: null, signal: 'SIGKILL' }, []],
    [{ code: 137, signal: null }, []],
    [{ code: 0xc0000017, signal: null }, []],
    [{ code: null, signal: 'SIGABRT' }, ['FATAL ERROR: JavaScript heap out of memory']],
    [{ code: null, signal: 'SIGABRT' }, ["terminate called after throwing an instance of 'std::bad_alloc'"]],
  ] as const)('for lack of memory: %o', (exit, words) => {
    const e = payload(exit, [...words]);
    expect(e.code).toBe('worker-died');
    expect(e.remedy).toContain('free memory');
  });

  it.each([
    { code: null, signal: 'SIGSEGV' },
    { code: null, signal: 'SIGABRT' },
    { code: null, signal: 'SIGBUS' },
    { code: 7, signal: null },
    { code: 0xc0000005, signal: null },
  ] as const)('for another reason says nothing of memory: %o', (exit) => {
    const e = payload(exit, ['some last words']);
    expect(e.code).toBe('worker-crashed');
    expect(`${e.message} ${e.remedy}`).not.toMatch(/memory/i);
    expect(e.message).toContain(exit.signal ?? String(exit.code));
  });
});
