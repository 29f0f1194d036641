/**
 * Finds lists of operator names. The properties of an operator stand in its own file in
 * src/main/engine/ops/ as traits, and other code asks the registry. This checker over the
 * TypeScript syntax tree finds collections and comparisons that distinguish operators by name.
 */
import ts from 'typescript';

/** The folder that may name operators. */
export const OPERATORS = 'src/main/engine/ops/';

/**
 * Places that may name several operators, as `path: name`, with the reason. A pass about a single
 * operator needs no entry; code that distinguishes kinds of operators does not belong here.
 */
export const ALLOWED: Readonly<Record<string, string>> = {
  'src/main/engine/passes/take-sequences.ts: a switch': 'carries out what each operator on sequences does',
  'src/main/engine/passes/eliminate-identity.ts: a comparison of n.key': 'the pass is about Identity and Dropout',
  'src/main/engine/passes/eliminate-repeated-activation.ts: a comparison of n.key': 'the pass is about Relu and Clip',
  'src/main/engine/structures/axes/follows.ts: a comparison of node.key':
    'carries out what each operator does to a list of sizes',
  'src/main/engine/heads/support/ends.ts: a comparison of node.key':
    'recognises a softmax, a length or a bias that is written out in several operators',
};

export interface OperatorList {
  /** `path: name`, as in ALLOWED. */
  readonly place: string;
  /** `path:line: sentence`. */
  readonly fault: string;
}

/** Finds lists of operators in one file. @param names operator types */
export function operatorLists(path: string, source: string, names: ReadonlySet<string>): OperatorList[] {
  if (path.startsWith(OPERATORS)) return [];
  if (new Set(source.match(/[A-Za-z][A-Za-z0-9]+/g)?.filter((w) => names.has(w))).size < 2) return [];
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  const out: OperatorList[] = [];
  const report = (node: ts.Node, what: string, found: Iterable<string>): void => {
    const distinct = [...new Set(found)].filter((n) => names.has(n));
    if (distinct.length < 2) return;
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    const fault = `${path}:${line}: ${what} names ${distinct.join(', ')}: make it a trait in ${OPERATORS}`;
    out.push({ place: `${path}: ${what}`, fault });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isArrayLiteralExpression(node)) report(node, 'an array', node.elements.flatMap(firstText));
    else if (ts.isObjectLiteralExpression(node)) report(node, 'an object', node.properties.flatMap(keyOf));
    else if (ts.isCaseBlock(node)) report(node, 'a switch', node.clauses.flatMap(caseOf));
    else if (ts.isRegularExpressionLiteral(node)) report(node, 'a pattern', node.text.split(/[^A-Za-z0-9]+/));
    else if (ts.isStringLiteralLike(node)) {
      const words = node.text.split(/[\s,|]+/).filter((w) => w !== '');
      if (words.every((w) => names.has(w))) report(node, 'a string', words);
    } else if (ts.isFunctionLike(node) || ts.isSourceFile(node)) {
      for (const [operand, found] of comparisons(node)) report(node, `a comparison of ${operand}`, found);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return out;
}

const text = (node: ts.Node): string[] => (ts.isStringLiteralLike(node) ? [node.text] : []);

/** The string, or the first entry of a nested list: `['Conv', 1]`. */
function firstText(node: ts.Expression): string[] {
  if (ts.isAsExpression(node)) return firstText(node.expression);
  const first = ts.isArrayLiteralExpression(node) ? node.elements[0] : node;
  return first ? text(first) : [];
}

const keyOf = (p: ts.ObjectLiteralElementLike): string[] =>
  p.name && (ts.isIdentifier(p.name) || ts.isStringLiteralLike(p.name)) ? [p.name.text] : [];

const caseOf = (c: ts.CaseOrDefaultClause): string[] => (ts.isCaseClause(c) ? text(c.expression) : []);

const EQUALITY = new Set([
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
  ts.SyntaxKind.EqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsToken,
]);

/**
 * Strings that one function, or the top level of a file, compares with each operand. Nested
 * functions are checked separately.
 */
function comparisons(root: ts.Node): Map<string, string[]> {
  const out = new Map<string, string[]>();
  const visit = (node: ts.Node): void => {
    if (node !== root && ts.isFunctionLike(node)) return;
    if (ts.isBinaryExpression(node) && EQUALITY.has(node.operatorToken.kind)) {
      const [operand, value] = ts.isStringLiteralLike(node.left) ? [node.right, node.left] : [node.left, node.right];
      const key = operand.getText().replaceAll('?.', '.').replaceAll('!', '');
      if (ts.isStringLiteralLike(value)) out.set(key, [...(out.get(key) ?? []), value.text]);
    }
    ts.forEachChild(node, visit);
  };
  visit(root);
  return out;
}
