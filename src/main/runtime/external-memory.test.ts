import { describe, expect, it } from 'vitest';
import { weighExternalMemory } from './external-memory.ts';

describe('memory outside the heap', () => {
  it('is weighed by a flag where the engine has one, and quietly left alone where it has none', () => {
    expect(weighExternalMemory('13.6.233.17-node.26')).toBe(true);
    expect(weighExternalMemory('12.4.254.21-node.33')).toBe(false);
    expect(weighExternalMemory('15.0.243.10-electron.0')).toBe(false);
  });
});
