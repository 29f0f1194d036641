import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

const folder = resolve(import.meta.dirname, '../../../shared/packages');

/** Folder of the packages in exporters' layouts; null where it is absent. */
export const assets = existsSync(folder) ? folder : null;
