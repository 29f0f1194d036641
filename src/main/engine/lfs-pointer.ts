/** Git LFS: a clone without the large files holds short texts in their place, under the same names. */

const FIRST_LINE = 'version https://git-lfs.github.com/spec/';
/** Pointers are shorter than this, as the specification of Git LFS demands. */
export const LFS_POINTER_LIMIT = 1024;

/** @param head the first bytes of a file */
export const isLfsPointer = (head: Uint8Array): boolean =>
  head.length >= FIRST_LINE.length && [...FIRST_LINE].every((c, i) => head[i] === c.charCodeAt(0));
