import { expect, it } from 'vitest';
import { providerHere } from '../pipeline/verify/verify.ts';

it('is that of the bundle only where a session opens on it', async () => {
  const asked: string[] = [];
  const opens = (yes: boolean) => (provider: string) => (asked.push(provider), Promise.resolve(yes));
  expect(await providerHere('webgpu', opens(true))).toBe('webgpu');
  expect(await providerHere('webgpu', opens(false))).toBe('cpu');
  expect(await providerHere('cpu', opens(false))).toBe('cpu');
  expect(asked).toEqual(['webgpu', 'webgpu']);
  expect(await providerHere('nowhere')).toBe('cpu');
});
