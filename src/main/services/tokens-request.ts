/** The request of `tokens` from its options. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { SecateurError } from '../../shared/contract/errors.ts';
import type { FewerTokensRequest, Keep, MarkRoute } from '../../shared/model/fewer-tokens.ts';
import type { RecoverBy } from '../../shared/model/token-recovery.ts';
import { existing, isPackage, measuring } from './requests.ts';

export interface TokensOptions {
  readonly keep: Keep;
  readonly method?: string;
  readonly layers?: readonly number[];
  readonly marks?: MarkRoute;
  readonly positions?: 'kept' | 'new';
  readonly out?: string;
  readonly measure?: boolean;
  readonly image?: readonly string[];
  readonly prompt?: readonly string[];
  readonly questions?: string;
  readonly localisation?: readonly string[];
  /** File that the heat map is written to. */
  readonly heatMap?: string;
  /** Seconds of training. */
  readonly recover?: number;
  readonly recoverBy?: Exclude<RecoverBy, 'auto'>;
  readonly recoverRank?: number;
  readonly recoverAlpha?: number;
  readonly workload?: Readonly<Record<string, number>>;
  readonly provider?: string;
  readonly threads?: number;
}

const PICTURES = /\.(png|jpe?g|webp|bmp|gif|tiff?|avif)$/i;

/** @throws 'file-not-found', 'file-unreadable', 'usage' */
export function tokensRequest(path: string, o: TokensOptions, cwd: string): FewerTokensRequest {
  const folder = existing(path, cwd);
  if (!isPackage(path, cwd)) throw new SecateurError('usage', { reason: 'tokens needs the folder of a package, and this is a file' }); // prettier-ignore
  const method = o.method ?? 'all';
  if (method === 'all' && o.out !== undefined)
    throw new SecateurError('usage', { reason: '--out writes one package, and needs --method' });
  for (const [option, given] of [
    ['--layers', o.layers],
    ['--marks', o.marks],
  ] as const)
    if (given !== undefined && method !== 'all' && !method.startsWith('decoder-'))
      throw new SecateurError('usage', { reason: `${option} is for the methods that begin with decoder-` });
  const { questions, localisation } = o;
  if (questions !== undefined && (o.image || o.prompt))
    throw new SecateurError('usage', { reason: '--questions names pictures and prompts itself, so --image and --prompt do not go with it' }); // prettier-ignore
  if (o.prompt && !o.image) throw new SecateurError('usage', { reason: '--prompt needs --image' });
  if (localisation && questions === undefined)
    throw new SecateurError('usage', { reason: '--localisation names kinds of questions, and needs --questions' });
  if (o.heatMap !== undefined && !/\.svg$/i.test(o.heatMap))
    throw new SecateurError('usage', { reason: '--heat-map writes an SVG file, so its name ends in .svg' });
  if (o.heatMap !== undefined && !o.image && questions === undefined)
    throw new SecateurError('usage', { reason: '--heat-map needs pictures: --image or --questions' });
  const { provider, threads, threadsAsked } = measuring(o);
  return {
    package: folder,
    keep: o.keep,
    method,
    ...(o.layers && { layers: o.layers }),
    ...(o.marks && { marks: o.marks }),
    ...(o.positions && { positions: o.positions }),
    out: method === 'all' ? null : o.out === undefined ? defaultOut(folder, method, cwd) : resolve(cwd, o.out),
    ...(o.measure === false && { measure: false }),
    images: (o.image ?? []).flatMap((image) => picturesAt(existing(image, cwd))),
    prompts: o.prompt ?? [],
    ...(questions !== undefined && {
      questions: { path: existing(questions, cwd), localisation: localisation ?? null },
    }),
    heatMap: o.heatMap !== undefined,
    ...recovery(o, method),
    settings: o.workload ?? {},
    provider,
    threads,
    ...(threadsAsked !== undefined && { threadsAsked }),
  };
}

/** @throws 'usage' */
function recovery(o: TokensOptions, method: string): Pick<FewerTokensRequest, 'recover'> {
  const { recover: seconds, recoverBy: by = 'auto', recoverRank, recoverAlpha } = o;
  const refuse = (reason: string): never => {
    throw new SecateurError('usage', { reason });
  };
  const adapters = recoverRank !== undefined || recoverAlpha !== undefined;
  if (seconds === undefined) return by !== 'auto' || adapters ? refuse('--recover-by, --recover-rank and --recover-alpha need --recover SECONDS') : {}; // prettier-ignore
  if (method === 'all') refuse('--recover trains one package, and needs --method');
  if (!o.image && o.questions === undefined) refuse('--recover needs pictures and prompts: --questions, or --image and --prompt'); // prettier-ignore
  if (adapters && (by === 'full' || by === 'projector')) refuse('--recover-rank and --recover-alpha are for adapters: --recover-by lora'); // prettier-ignore
  return { recover: { seconds, by: adapters ? 'lora' : by, rank: recoverRank ?? 8, alpha: recoverAlpha ?? 16 } };
}

/** A picture, or those of a folder, sorted by name. */
export function picturesAt(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const found = readdirSync(path).filter((name) => PICTURES.test(name));
  if (found.length === 0) throw new SecateurError('file-not-found', { path: join(path, '*.png') });
  return found.sort().map((name) => join(path, name));
}

/** `<package>-<method>` in the working folder, with a number when the name is taken. */
function defaultOut(folder: string, method: string, cwd: string): string {
  const base = `${basename(folder, extname(folder))}-${method}`;
  for (let n = 1; ; n++) {
    const path = join(cwd, n === 1 ? base : `${base}-${n}`);
    if (!existsSync(path)) return path;
  }
}
