import { describe, expect, it } from 'vitest';
import { exitOf } from './exit-status.ts';

describe('the end of a utility process', () => {
  it.each([
    [0, null, { code: 0, signal: null }],
    [1, null, { code: 1, signal: null }],
    [9, null, { code: null, signal: 'SIGKILL' }],
    [11, null, { code: null, signal: 'SIGSEGV' }],
    [134, null, { code: null, signal: 'SIGABRT' }],
    [137, null, { code: null, signal: 'SIGKILL' }],
    [0, 'SIGTERM', { code: 0, signal: null }],
    [15, 'SIGTERM', { code: null, signal: 'SIGTERM' }],
    [1, 'SIGTERM', { code: null, signal: 'SIGTERM' }],
  ] as const)('status %d after %s', (status, wanted, exit) => {
    expect(exitOf(status, wanted, 'linux')).toEqual(exit);
  });

  it('has no signals on Windows but those that were sent', () => {
    expect(exitOf(9, null, 'win32')).toEqual({ code: 9, signal: null });
    expect(exitOf(1, 'SIGKILL', 'win32')).toEqual({ code: 1, signal: 'SIGKILL' });
  });
});
