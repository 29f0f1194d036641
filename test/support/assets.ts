import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const shared = fileURLToPath(new URL('../../../shared/', import.meta.url));

const found = (path: string): string | null => (existsSync(path) ? path : null);

/**
 * Path of a real model or data file beside the repository, or null when it is absent; the test is
 * then skipped.
 */
export const assetPath = (rel: string): string | null => found(`${shared}assets/${rel}`);

/** Path of a small model that shows one kind of fault, or of its data. */
export const casePath = (rel: string): string | null => found(`${shared}cases/${rel}`);

/** Path of an architecture without weights; see `fillZoo`. */
export const zooPath = (rel: string): string | null => found(`${shared}zoo/${rel}`);
