/** The family that the user set for a model where the detected one was wrong. */
export const family = `ALTER TABLE models ADD COLUMN corrected TEXT;`;
