import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const shared = fileURLToPath(new URL('../../../shared/', import.meta.url));

const found = (path: string): string | null => (existsSync(path) ? path : null);

/** A file of the real models and data that stand beside the repository, or null where they are not: skip the test then. */
export const assetPath = (rel: string): string | null => found(`${shared}assets/${rel}`);

/** One of the small models that each show a kind of fault, or data for one. */
export const casePath = (rel: string): string | null => found(`${shared}cases/${rel}`);

/** A file of the architectures without weights; see `fillZoo`. */
export const zooPath = (rel: string): string | null => found(`${shared}zoo/${rel}`);
