/**
 * Stores the token of the served window per port, so that an open page finds the same server after
 * a restart. Only this user can read the file.
 */
import { randomBytes } from 'node:crypto';
import { chmod, lstat, readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileAtomic } from '../storage/atomic.ts';

/** Ordered by time, newest last. */
const Stored = z.array(z.object({ port: z.number().int(), token: z.string().regex(/^[\w-]{32,}$/) }));
type Stored = z.infer<typeof Stored>;

/** Number of remembered ports. */
const LIMIT = 16;

const freshToken = (): string => randomBytes(24).toString('base64url');

/**
 * Returns the token of a port, and creates and stores it when there is none. Throws the file
 * system's error when it cannot be stored.
 */
export async function keptToken(path: string, port: number): Promise<string> {
  const stored = await read(path);
  const token = stored.find((s) => s.port === port)?.token ?? freshToken();
  const kept = [...stored.filter((s) => s.port !== port), { port, token }].slice(-LIMIT);
  await writeFileAtomic(path, `${JSON.stringify(kept, null, 2)}\n`, 0o600);
  return token;
}

/** The port that was served last, or null. */
export const lastPort = async (path: string): Promise<number | null> => (await read(path)).at(-1)?.port ?? null;

/** A file that others may read or write, or that another user owns, is ignored. */
async function read(path: string): Promise<Stored> {
  try {
    const info = await lstat(path);
    if (!info.isFile()) return [];
    if (process.platform !== 'win32' && (info.mode & 0o077) !== 0) {
      await chmod(path, 0o600);
      return [];
    }
    return Stored.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    // A missing or damaged file is replaced by fresh tokens.
    return [];
  }
}
