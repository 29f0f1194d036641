/** Log lines and measured points of jobs: one append-only file of lines per job, read as a whole. */
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Candidate } from '../../shared/model/frames.ts';

type Line = { readonly log: string } | { readonly point: Candidate };

/** Maximum number of lines returned; the last ones are kept. */
const LIMIT = 2000;

export class JobLog {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A log that cannot be written does not end the job. */
  append(id: string, line: Line): void {
    try {
      mkdirSync(this.#folder, { recursive: true });
      appendFileSync(this.#path(id), `${JSON.stringify(line)}\n`);
    } catch {
      // The disk may be full; the job itself reports that.
    }
  }

  /** Skips a line that a killed process left incomplete. */
  read(id: string): { log: string[]; points: Candidate[] } {
    const out = { log: [] as string[], points: [] as Candidate[] };
    let text = '';
    try {
      text = readFileSync(this.#path(id), 'utf8');
    } catch {
      return out;
    }
    for (const raw of text.split('\n').slice(-LIMIT)) {
      if (raw === '') continue;
      try {
        const line = JSON.parse(raw) as Line;
        if ('point' in line) out.points.push(line.point);
        else out.log.push(line.log);
      } catch {
        continue;
      }
    }
    return out;
  }

  remove(id: string): void {
    rmSync(this.#path(id), { force: true });
  }

  #path(id: string): string {
    return join(this.#folder, `${id.replace(/[^A-Za-z0-9-]/g, '_')}.ndjson`);
  }
}
