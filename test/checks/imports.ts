// Which room may import which: the table, and a checker over the TypeScript syntax tree. Test files are exempt.
import { dirname, join } from 'node:path/posix';
import ts from 'typescript';

/** Files and packages that a room may import. A folder name means `src/main/<name>/`. */
interface Room {
  readonly rooms: readonly string[];
  /** Package names; 'node:' means the built-in modules. */
  readonly packages: readonly string[];
}

/** Read: `engine` may import `shared`, and no package at all. Everything may import its own room. */
export const ROOMS: Record<string, Room> = {
  shared: { rooms: [], packages: [] },
  engine: { rooms: ['shared'], packages: [] },
  runtime: { rooms: ['engine', 'shared', 'storage'], packages: ['node:', 'onnxruntime-node'] },
  data: { rooms: ['engine', 'shared'], packages: ['node:', 'sharp', 'yauzl', 'yazl', 'zod'] },
  storage: { rooms: ['engine', 'shared'], packages: ['node:', 'better-sqlite3', 'zod'] },
  pipeline: { rooms: ['engine', 'runtime', 'data', 'storage', 'shared'], packages: ['node:', 'yazl', 'zod'] },
  tasks: { rooms: ['pipeline', 'engine', 'runtime', 'data', 'storage', 'shared'], packages: ['node:'] },
  jobs: { rooms: ['shared', 'storage'], packages: ['node:', 'zod'] },
  services: { rooms: ['engine', 'storage', 'jobs', 'shared'], packages: ['node:', 'zod'] },
  transport: { rooms: ['services', 'shared'], packages: ['node:', 'zod'] },
  // The command line's commands and their output.
  cli: { rooms: ['services', 'shared'], packages: ['node:', 'commander'] },
  app: { rooms: ['services', 'transport', 'jobs', 'shared'], packages: ['node:', 'electron'] },
  preload: { rooms: ['shared'], packages: ['electron'] },
  renderer: { rooms: ['shared'], packages: ['svelte', 'bits-ui', 'layerchart', 'd3-scale', '@xyflow/svelte', 'elkjs'] },
  // Entry files compose. Only the worker's entry loads what carries native code or heavy work.
  'entry:worker': {
    rooms: ['shared', 'engine', 'runtime', 'data', 'storage', 'tasks', 'jobs'],
    packages: ['node:'],
  },
  // A thread that runs models for a worker.
  'entry:session': { rooms: ['runtime'], packages: ['node:'] },
  'entry:cli': { rooms: ['shared', 'storage', 'jobs', 'services', 'transport', 'cli'], packages: ['node:'] },
  'entry:index': {
    rooms: ['shared', 'storage', 'jobs', 'services', 'transport', 'app'],
    packages: ['node:', 'electron'],
  },
};

/**
 * The rooms of the pipeline in the order in which data pass through them. Each may import those before it; the files beside
 * them compose.
 */
export const PIPELINE = [
  'prepare',
  'measure',
  'search',
  'compensate',
  'recover',
  'evaluate',
  'pack',
  'verify',
] as const;

/** Interfaces of a stage's surroundings: the rooms that provide them may name them, as types only. */
const TYPE_CONTRACTS: Record<string, readonly string[]> = {
  'src/main/pipeline/context.ts': ['jobs', 'runtime', 'storage', 'services'],
};

/** Modules that read and write protobuf bytes: the codec's own business, whoever else needs one has a leak. */
export const WIRE_ONLY_IN = 'src/main/engine/onnx/';
const WIRE_FILE = /^src\/main\/engine\/onnx\/(?!index\.ts$)/;

/** The room of a repository path such as `src/main/engine/ir/node.ts`, or undefined outside src/. */
export function roomOf(path: string): string | undefined {
  const parts = path.split('/');
  if (parts[0] !== 'src') return undefined;
  if (parts[1] !== 'main') return parts[1];
  return parts.length === 3 ? `entry:${parts[2]!.replace(/\.ts$/, '')}` : parts[2];
}

interface Import {
  readonly specifier: string;
  readonly line: number;
  readonly kind: 'value' | 'type' | 'glob';
}

/** Imports of the sources read so far: parsing takes most of the time of the checks, and several of them read every file. */
const parsed = new Map<string, { readonly source: string; readonly imports: Import[] }>();

/** Specifiers of every static, dynamic and type-only import, re-export and glob of a file, with their lines. */
export function importsOf(path: string, source: string): Import[] {
  let entry = parsed.get(path);
  if (entry?.source !== source) parsed.set(path, (entry = { source, imports: parseImports(path, source) }));
  return entry.imports;
}

function parseImports(path: string, source: string): Import[] {
  const code = path.endsWith('.svelte') ? scriptOf(source) : source;
  const file = ts.createSourceFile(path, code, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  const found: Import[] = [];
  const add = (node: ts.Node | undefined, kind: Import['kind'] = 'value'): void => {
    if (!node) return;
    if (ts.isArrayLiteralExpression(node)) return node.elements.forEach((e) => add(e, kind));
    if (!ts.isStringLiteralLike(node)) return;
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    found.push({ specifier: node.text, line, kind });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node))
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword ? 'type' : 'value');
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly ? 'type' : 'value');
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, 'type');
    else if (ts.isExternalModuleReference(node)) add(node.expression);
    else if (ts.isCallExpression(node)) {
      const callee = node.expression.getText();
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword || callee === 'require') add(node.arguments[0]);
      else if (callee === 'import.meta.glob') add(node.arguments[0], 'glob');
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Keeps line numbers: everything outside <script> becomes empty lines. */
export function scriptOf(svelte: string): string {
  let out = '';
  let at = 0;
  for (const m of svelte.matchAll(/(<script[^>]*>)([\s\S]*?)<\/script>/g)) {
    const start = m.index + m[1]!.length;
    out += svelte.slice(at, start).replace(/[^\n]/g, '') + m[2];
    at = start + m[2]!.length;
  }
  return out;
}

/** What is wrong with the imports of one file, as `path:line: sentence`; empty when nothing is. */
export function violations(path: string, source: string): string[] {
  const room = roomOf(path);
  if (room === undefined) return [];
  const allowed = ROOMS[room];
  if (!allowed) return [`${path}:1: the room or entry "${room}" is not in the table of test/checks/imports.ts`];
  const out: string[] = [];
  for (const { specifier, line, kind } of importsOf(path, source)) {
    const bad = (why: string): void => void out.push(`${path}:${line}: ${why}`);
    if (specifier.startsWith('!')) continue;
    if (!specifier.startsWith('.')) {
      if (kind === 'glob') bad(`the glob ${specifier} is not relative`);
      else if (!packageAllowed(specifier, allowed.packages)) bad(`${room} may not import the package ${specifier}`);
      continue;
    }
    const target = join(dirname(path), specifier);
    const to = roomOf(target);
    if (to === undefined) bad(`${specifier} leaves src/`);
    else if (to.startsWith('entry:')) bad(`nothing imports an entry file: ${target}`);
    else if (kind === 'type' && TYPE_CONTRACTS[target]?.includes(room)) continue;
    else if (to !== room && !allowed.rooms.includes(to)) bad(`${room} may not import ${to}: ${target}`);
    else if (isUpstream(path, target))
      bad(`${stageOf(path)} comes before ${stageOf(target) ?? 'what composes it'}: ${target}`);
    else if (WIRE_FILE.test(target) && !path.startsWith(WIRE_ONLY_IN))
      bad(`the wire format stays in engine/onnx: import its index.ts, not ${target}`);
  }
  return out;
}

/** The pipeline's room of a path: -1 for a file that composes, undefined outside the pipeline. */
function stageIndex(path: string): number | undefined {
  const parts = path.split('/');
  if (parts[2] !== 'pipeline') return undefined;
  return parts.length === 4 ? -1 : PIPELINE.indexOf(parts[3] as (typeof PIPELINE)[number]);
}
const stageOf = (path: string): string | undefined => PIPELINE[stageIndex(path) ?? -1];

/** True for an import of a later room of the pipeline, or of a file that composes them; SHARED_BY_STAGES may be read by all. */
function isUpstream(path: string, target: string): boolean {
  const [from, to] = [stageIndex(path), stageIndex(target)];
  if (from === undefined || to === undefined || from === -1 || SHARED_BY_STAGES.has(target)) return false;
  return to === -1 || to > from;
}

/** Files beside the pipeline's rooms that say what a stage may use. */
const SHARED_BY_STAGES = new Set(['context', 'leaves', 'stage', 'stopwatch'].map((f) => `src/main/pipeline/${f}.ts`));

/** Circles among files, each as its files in order; type imports do not count, since nothing is loaded by them. */
export function circles(files: ReadonlyMap<string, string>): string[][] {
  const reads = new Map<string, string[]>();
  for (const [path, source] of files)
    reads.set(
      path,
      importsOf(path, source)
        .filter((i) => i.kind === 'value' && i.specifier.startsWith('.'))
        .map((i) => join(dirname(path), i.specifier))
        .filter((target) => files.has(target)),
    );
  const found: string[][] = [];
  const state = new Map<string, 'open' | 'done'>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') return void found.push(trail.slice(trail.indexOf(path)));
    state.set(path, 'open');
    trail.push(path);
    for (const next of reads.get(path) ?? []) visit(next);
    trail.pop();
    state.set(path, 'done');
  };
  for (const path of files.keys()) visit(path);
  return found;
}

function packageAllowed(specifier: string, packages: readonly string[]): boolean {
  if (specifier.startsWith('node:')) return packages.includes('node:');
  return packages.some((p) => p !== 'node:' && (specifier === p || specifier.startsWith(`${p}/`)));
}
