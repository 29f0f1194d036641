/** Debian's Chromium, or the one that SECATEUR_CHROMIUM names. */
export const executablePath = process.env['SECATEUR_CHROMIUM'] ?? '/usr/bin/chromium';
