/**
 * Writes the small package to a folder: node scripts/run.mjs test/support/write-package.ts FOLDER
 */
import { writeSmallPackage } from './small-package.ts';

export default ([folder]: readonly string[]): void => void writeSmallPackage(folder!);
