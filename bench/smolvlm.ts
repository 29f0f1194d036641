// Seconds and memory of `secateur tokens` on a package of the size of SmolVLM-256M, made with random weights.
/*
 * Arguments: [--method pool,decoder-feather] [--keep 16] [--measure] [--folder FOLDER]
 * The package (1 GB) is made in a temporary folder, or in FOLDER, where it stays. Memory is the largest sum over the
 * processes of the command (Linux). Without --measure the package is written without measuring its latency.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeSmolVlm } from './smolvlm/package.ts';
import { root, table } from './support.ts';

const { values: args } = parseArgs({
  options: {
    method: { type: 'string', default: 'pool,decoder-feather' },
    keep: { type: 'string', default: '16' },
    measure: { type: 'boolean', default: false },
    folder: { type: 'string' },
  },
});
const MOST = { seconds: 60, bytes: 3e9 };

const work = mkdtempSync(join(tmpdir(), 'secateur-smolvlm-'));
try {
  const folder = args.folder ?? join(work, 'package');
  if (!existsSync(folder)) writeSmolVlm(folder);
  const rows: string[][] = [];
  for (const method of args.method.split(',')) {
    const out = join(work, method);
    const { seconds, bytes } = await tokens([folder, '--keep', args.keep, '--method', method, '--out', out, ...(args.measure ? [] : ['--no-measure'])]); // prettier-ignore
    const fits = seconds <= MOST.seconds && bytes <= MOST.bytes;
    rows.push([method, seconds.toFixed(1), (bytes / 1e9).toFixed(2), fits ? 'yes' : 'no']);
    rmSync(out, { recursive: true, force: true });
  }
  console.log(table([['method', 'seconds', 'GB', `within ${MOST.seconds} s and ${MOST.bytes / 1e9} GB`], ...rows]));
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** Runs the command and watches the memory of its processes. */
async function tokens(options: readonly string[]): Promise<{ seconds: number; bytes: number }> {
  const begun = performance.now();
  const child = spawn(process.execPath, [join(root, 'bin/secateur.mjs'), 'tokens', ...options], { stdio: ['ignore', 'inherit', 'inherit'] }); // prettier-ignore
  let bytes = 0;
  const watch = setInterval(() => (bytes = Math.max(bytes, memoryOf(child.pid!))), 50);
  const code = await new Promise<number | null>((done) => void child.on('exit', done));
  clearInterval(watch);
  if (code !== 0) throw new Error(`secateur tokens ended with ${code}`);
  return { seconds: (performance.now() - begun) / 1000, bytes };
}

/** Resident bytes of a process and of all below it. */
function memoryOf(pid: number): number {
  const parents = new Map<number, number>();
  const resident = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((n) => /^\d+$/.test(n)))
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8');
      const field = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
      parents.set(Number(name), field('PPid'));
      resident.set(Number(name), field('VmRSS') * 1024);
    } catch {
      // The process has ended since.
    }
  const isBelow = (id: number | undefined): boolean => id !== undefined && id > 1 && (id === pid || isBelow(parents.get(id))); // prettier-ignore
  return [...resident].reduce((sum, [id, rss]) => (isBelow(id) ? sum + rss : sum), 0);
}
