/**
 * Added to the score of a hidden key. Its exponential is zero beside any other score. It is finite, so that a row in which
 * every key is hidden stays finite too; such rows are tokens that nobody reads.
 */
export const HIDDEN = -1e30;
