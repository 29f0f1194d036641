/** The family that the user says a model is of, where the detected one was wrong. */
export const family = `ALTER TABLE models ADD COLUMN corrected TEXT;`;
