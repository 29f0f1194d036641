// Set-up of a whole test run: a data folder of its own, so that no run waits for another one or for
// the user's jobs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default function setup(): () => void {
  const home = mkdtempSync(join(tmpdir(), 'secateur-run-'));
  process.env['SECATEUR_HOME'] = home;
  return () => rmSync(home, { recursive: true, force: true, maxRetries: 5 });
}
