import { SecateurError } from '../../../shared/contract/errors.ts';

/**
 * Refuses a location that lexically leaves the model's folder: absolute, a drive, `..`, a null byte. Links are checked
 * by the resolver (storage/model-files.ts).
 */
export function checkLocation(tensor: string, location: string): void {
  const parts = location.split(/[/\\]/);
  if (
    location === '' ||
    location.includes('\0') ||
    /^([/\\]|[A-Za-z]:)/.test(location) ||
    parts.includes('..') ||
    location.length > 4096
  )
    throw new SecateurError('external-data-outside', { tensor, location: location.slice(0, 200) });
}
