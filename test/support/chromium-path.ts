/** Path of Debian's Chromium, or of the browser named by SECATEUR_CHROMIUM. */
export const executablePath = process.env['SECATEUR_CHROMIUM'] ?? '/usr/bin/chromium';
