/** Recognises images by file name. */
import { basename, extname } from 'node:path';

const IMAGES = new Set([
  '.jpg',
  '.jpeg',
  '.png',
  '.webp',
  '.bmp',
  '.gif',
  '.tif',
  '.tiff',
  '.avif',
  '.heic',
  '.jxl',
  '.ppm',
  '.pgm',
]);

export const isImage = (path: string): boolean =>
  IMAGES.has(extname(path).toLowerCase()) && !basename(path).startsWith('.');
