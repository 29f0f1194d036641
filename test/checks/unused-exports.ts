// Finds exports of src/ that no other file of the product, of the benchmarks or of the scripts imports.
import { dirname, join, matchesGlob } from 'node:path/posix';
import ts from 'typescript';
import { roomOf, scriptOf } from './imports.ts';

/** Exported and imported names of a file; '*' stands for every name of a module. */
interface Names {
  readonly exports: readonly Export[];
  readonly imports: readonly { readonly from: string; readonly name: string }[];
  /** Modules whose names the file re-exports. */
  readonly passesOn: readonly string[];
  /** Patterns of import.meta.glob, relative to the file. */
  readonly globs: readonly string[];
}

interface Export {
  readonly name: string;
  readonly line: number;
  /** A type that the file also uses in its own signatures. */
  readonly isNamedType: boolean;
  /** Marked `@internal`: exported only for tests. */
  readonly isInternal: boolean;
}

/**
 * Exports of src/ that no file imports, as `path:line: name`. An export marked `@internal` needs a
 * test that imports it.
 * @param files sources by path: src/ without tests, bench/ and scripts/
 * @param tests sources of tests and of their support files, by path
 */
export function unusedExports(files: ReadonlyMap<string, string>, tests: ReadonlyMap<string, string>): string[] {
  const read = (sources: ReadonlyMap<string, string>): Map<string, Names> =>
    new Map([...sources].map(([path, source]) => [path, namesOf(path, source)]));
  const names = read(files);
  const used = usedNames(names);
  const tested = usedNames(new Map([...names, ...read(tests)]));
  const out: string[] = [];
  for (const [path, { exports }] of names) {
    if (!path.startsWith('src/') || isEntry(path)) continue;
    const registry = registryOf(path, names, files);
    for (const { name, line, isNamedType, isInternal } of exports) {
      const users = isInternal ? tested : used;
      const isUsed = users.has(`${path}#${name}`) || users.has(`${path}#*`) || isNamedType;
      if (!isUsed && !registry?.includes(name)) out.push(`${path}:${line}: ${name}`);
    }
  }
  return out;
}

/** Files that are started instead of imported. */
const isEntry = (path: string): boolean =>
  roomOf(path)?.startsWith('entry:') === true || path === 'src/renderer/app/main.ts' || path.startsWith('src/preload/');

/**
 * Keys `path#name` of every import. A re-exported name also counts for the module that declares it.
 */
function usedNames(names: ReadonlyMap<string, Names>): Set<string> {
  const used = new Set<string>();
  const use = (path: string, name: string): void => {
    const key = `${path}#${name}`;
    if (used.has(key)) return;
    used.add(key);
    for (const from of names.get(path)?.passesOn ?? []) use(from, name);
  };
  for (const { imports } of names.values()) for (const { from, name } of imports) use(from, name);
  return used;
}

/**
 * Export names that a registry reads: those of the registry whose glob matches the file, and of its
 * contract.
 */
function registryOf(
  path: string,
  names: ReadonlyMap<string, Names>,
  files: ReadonlyMap<string, string>,
): readonly string[] | undefined {
  for (const [registry, { globs }] of names) {
    const matches = globs.some((glob) => matchesGlob(path, join(dirname(registry), glob)));
    if (!matches) continue;
    const contract = files.get(join(dirname(registry), 'contract.ts')) ?? '';
    return `${files.get(registry)} ${contract}`.match(/\w+/g) ?? [];
  }
  return undefined;
}

function namesOf(path: string, source: string): Names {
  const code = path.endsWith('.svelte') ? scriptOf(source) : source;
  const file = ts.createSourceFile(path, code, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  const exports: Export[] = [];
  const imports: { from: string; name: string }[] = [];
  const passesOn: string[] = [];
  const globs: string[] = [];
  const target = (specifier: string): string => join(dirname(path), specifier.replace(/\?.*$/, ''));
  const mentions = countIdentifiers(file);
  const add = (node: ts.Node, name: string, isType = false): void => {
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    const isInternal = ts.getJSDocTags(node).some((tag) => tag.tagName.text === 'internal');
    exports.push({ name, line, isNamedType: isType && (mentions.get(name) ?? 0) > 1, isInternal });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const from = target(node.moduleSpecifier.text);
      for (const name of importedNames(node.importClause)) imports.push({ from, name });
    } else if (ts.isExportDeclaration(node)) {
      const from =
        node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier) ? target(node.moduleSpecifier.text) : null;
      if (!node.exportClause) passesOn.push(from!);
      else if (ts.isNamedExports(node.exportClause))
        for (const e of node.exportClause.elements) {
          add(e, e.name.text, node.isTypeOnly || e.isTypeOnly);
          if (from !== null) imports.push({ from, name: (e.propertyName ?? e.name).text });
        }
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      const name = node.qualifier ? node.qualifier.getText().split('.')[0]! : '*';
      if (ts.isStringLiteral(node.argument.literal)) imports.push({ from: target(node.argument.literal.text), name });
    } else if (ts.isCallExpression(node)) {
      const [first] = node.arguments;
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword && first && ts.isStringLiteralLike(first))
        imports.push({ from: target(first.text), name: '*' });
      else if (first && node.expression.getText() === 'import.meta.glob') globs.push(...stringsIn(first));
    } else if (isExported(node)) for (const [at, name] of declaredNames(node)) add(at, name, isTypeDeclaration(node));
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { exports, imports, passesOn, globs };
}

function importedNames(clause: ts.ImportClause | undefined): string[] {
  if (!clause) return [];
  const names = clause.name ? ['default'] : [];
  const bindings = clause.namedBindings;
  if (bindings && ts.isNamespaceImport(bindings)) names.push('*');
  if (bindings && ts.isNamedImports(bindings))
    names.push(...bindings.elements.map((e) => (e.propertyName ?? e.name).text));
  return names;
}

/**
 * True for a declaration with the modifier `export`. Entry files and components use `export
 * default`.
 */
function isExported(node: ts.Node): boolean {
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
  const has = (kind: ts.SyntaxKind): boolean => modifiers.some((m) => m.kind === kind);
  return has(ts.SyntaxKind.ExportKeyword) && !has(ts.SyntaxKind.DefaultKeyword);
}

const isTypeDeclaration = (node: ts.Node): boolean =>
  ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);

function declaredNames(node: ts.Node): [ts.Node, string][] {
  if (ts.isVariableStatement(node)) return node.declarationList.declarations.flatMap((d) => boundNames(d.name));
  const { name } = node as ts.Node & { name?: ts.Node };
  return name && ts.isIdentifier(name) ? [[node, name.text]] : [];
}

const boundNames = (name: ts.BindingName): [ts.Node, string][] =>
  ts.isIdentifier(name)
    ? [[name, name.text]]
    : name.elements.flatMap((e) => (ts.isBindingElement(e) ? boundNames(e.name) : []));

function countIdentifiers(file: ts.SourceFile): Map<string, number> {
  const counts = new Map<string, number>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) counts.set(node.text, (counts.get(node.text) ?? 0) + 1);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return counts;
}

const stringsIn = (node: ts.Expression): string[] =>
  ts.isArrayLiteralExpression(node)
    ? node.elements.flatMap(stringsIn)
    : ts.isStringLiteralLike(node) && !node.text.startsWith('!')
      ? [node.text]
      : [];
