/** Git LFS pointers: a clone without the large files contains short text files with the same names instead. */

const FIRST_LINE = 'version https://git-lfs.github.com/spec/';
/** Pointers are shorter than this, as the Git LFS specification requires. */
export const LFS_POINTER_LIMIT = 1024;

/** @param head the first bytes of a file */
export const isLfsPointer = (head: Uint8Array): boolean =>
  head.length >= FIRST_LINE.length && [...FIRST_LINE].every((c, i) => head[i] === c.charCodeAt(0));
