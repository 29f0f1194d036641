/** Identifies the owner of a job or a temporary folder. A process id alone is not enough, because ids are reused. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal only for the same process. Empty when the platform does not provide it. */
  readonly start: string;
}

let self: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  self ??= { pid: process.pid, start: startOf(process.pid) };
  return self;
}

/** The beginning of a name that contains its owner. The caller appends unique letters and digits. */
export function ownedName(prefix: string): string {
  const { pid, start } = ownIdentity();
  return `${prefix}${pid}-${start}-`;
}

/** The owner in a name; null for names that `ownedName` did not make with this prefix. */
export function ownerOf(name: string, prefix: string): ProcessIdentity | null {
  const found = name.startsWith(prefix) ? /^(\d+)-([0-9a-z]*)-[0-9A-Za-z]+$/.exec(name.slice(prefix.length)) : null;
  return found && { pid: Number(found[1]), start: found[2]! };
}

export function identityOf(pid: number): ProcessIdentity {
  return { pid, start: startOf(pid) };
}

/** Whether this very process (not a later one with the same id) still exists. */
export function isAlive(who: ProcessIdentity): boolean {
  if (!(who.pid > 0)) return false;
  if (who.pid === process.pid) return who.start === '' || who.start === ownIdentity().start;
  try {
    process.kill(who.pid, 0);
  } catch (e) {
    // EPERM: the process exists and belongs to another user.
    if ((e as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const start = startOf(who.pid);
  // A zombie counts as dead: startOf returns 'gone' for it.
  if (start === 'gone') return false;
  return who.start === '' || start === '' || start === who.start;
}

/**
 * Sends a signal to this very process.
 * @returns false when it is gone
 */
export function signal(who: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isAlive(who)) return false;
  try {
    process.kill(who.pid, name);
    return true;
  } catch {
    return false;
  }
}

function startOf(pid: number): string {
  try {
    if (process.platform === 'linux') return linuxStart(pid);
    if (process.platform === 'win32') {
      const script = `(Get-Process -Id ${pid}).StartTime.ToFileTimeUtc()`;
      return digest(run('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', script]));
    }
    return digest(run('ps', ['-o', 'lstart=', '-p', String(pid)]));
  } catch {
    return '';
  }
}

/** Field 22 of /proc/PID/stat (proc(5)): start time in clock ticks since boot. The boot id distinguishes boots. */
function linuxStart(pid: number): string {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
    throw e;
  }
  // The command name is in parentheses and can itself contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return 'gone';
  return digest(`${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`);
}

function run(file: string, args: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', timeout: 5000, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}

function digest(text: string): string {
  return text === '' ? '' : createHash('sha256').update(text).digest('hex').slice(0, 12);
}
