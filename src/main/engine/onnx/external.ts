import { SecateurError } from '../../../shared/contract/errors.ts';

/**
 * Refuses a location that leaves the model's folder by its words alone: absolute, a drive, `..`, a null byte.
 * Links are the business of who resolves it (storage/model-files.ts).
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
