// The table of imports allowed between rooms, and a checker over the TypeScript syntax tree. Test
// files are exempt.
import { dirname, join } from 'node:path/posix';
import ts from 'typescript';

/** Files and packages that a room may import. A folder name means `src/main/<name>/`. */
interface Room {
  readonly rooms: readonly string[];
  /** Package names; 'node:' means the built-in modules. */
  readonly packages: readonly string[];
}

/** For example, `engine` may import `shared` and no package. Every room may import itself. */
export const ROOMS: Record<string, Room> = {
  shared: { rooms: [], packages: [] },
  engine: { rooms: ['shared'], packages: [] },
  runtime: {
    rooms: ['engine', 'shared', 'storage'],
    packages: ['node:', 'onnxruntime-node', '@huggingface/tokenizers', '@huggingface/jinja'],
  },
  data: { rooms: ['engine', 'shared'], packages: ['node:', 'sharp', 'yauzl', 'yazl', 'zod'] },
  storage: { rooms: ['engine', 'shared'], packages: ['node:', 'better-sqlite3', 'zod'] },
  pipeline: { rooms: ['engine', 'runtime', 'data', 'storage', 'shared'], packages: ['node:', 'yazl', 'zod'] },
  tasks: { rooms: ['pipeline', 'engine', 'runtime', 'data', 'storage', 'shared'], packages: ['node:'] },
  jobs: { rooms: ['shared', 'storage'], packages: ['node:', 'zod'] },
  services: { rooms: ['engine', 'storage', 'jobs', 'shared'], packages: ['node:', 'zod'] },
  transport: { rooms: ['services', 'shared'], packages: ['node:', 'zod'] },
  // Commands of the command line and their output.
  cli: { rooms: ['services', 'shared'], packages: ['node:', 'commander'] },
  app: { rooms: ['services', 'transport', 'jobs', 'shared'], packages: ['node:', 'electron'] },
  preload: { rooms: ['shared'], packages: ['electron'] },
  renderer: { rooms: ['shared'], packages: ['svelte', 'bits-ui', 'layerchart', 'd3-scale', '@xyflow/svelte', 'elkjs'] },
  // Entry files compose. Only the worker's entry loads native code and heavy modules.
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
 * The pipeline's rooms in the order of the data flow. Each may import earlier ones; the files
 * beside them compose.
 */
export const PIPELINE = [
  'prepare',
  'measure',
  'search',
  'compensate',
  'recover',
  'evaluate',
  'tokens',
  'joint',
  'pack',
  'verify',
] as const;

/** Interfaces of a stage's context: the rooms that implement them may import them as types only. */
const TYPE_CONTRACTS: Record<string, readonly string[]> = {
  'src/main/pipeline/context.ts': ['jobs', 'runtime', 'storage', 'services'],
};

/** Modules that read and write protobuf bytes. Only the codec may import them. */
export const WIRE_ONLY_IN = 'src/main/engine/onnx/';
const WIRE_FILE = /^src\/main\/engine\/onnx\/(?!index\.ts$)/;

/** The room of a repository path such as `src/main/engine/ir/node.ts`; undefined outside src/. */
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

/**
 * Imports per source. Parsing takes most of the checks' time, and several checks read every file.
 */
const parsed = new Map<string, { readonly source: string; readonly imports: Import[] }>();

/**
 * Specifiers and lines of every static, dynamic and type-only import, re-export and glob of a file.
 */
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

/**
 * Returns the content of <script> with unchanged line numbers: everything else becomes empty lines.
 */
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

/** Faults in the imports of one file, as `path:line: sentence`. */
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

/**
 * Index of the path's pipeline room: -1 for a file that composes, undefined outside the pipeline.
 */
function stageIndex(path: string): number | undefined {
  const parts = path.split('/');
  if (parts[2] !== 'pipeline') return undefined;
  return parts.length === 4 ? -1 : PIPELINE.indexOf(parts[3] as (typeof PIPELINE)[number]);
}
const stageOf = (path: string): string | undefined => PIPELINE[stageIndex(path) ?? -1];

/**
 * True for an import of a later pipeline room, or of a file that composes them. All rooms may
 * import SHARED_BY_STAGES.
 */
function isUpstream(path: string, target: string): boolean {
  const [from, to] = [stageIndex(path), stageIndex(target)];
  if (from === undefined || to === undefined || from === -1 || SHARED_BY_STAGES.has(target)) return false;
  return to === -1 || to > from;
}

/** Files beside the pipeline's rooms that define the interface of a stage. */
const SHARED_BY_STAGES = new Set(['context', 'leaves', 'stage', 'stopwatch'].map((f) => `src/main/pipeline/${f}.ts`));

/**
 * Import cycles, each as its files in order. Type imports do not count, since they load nothing.
 */
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
