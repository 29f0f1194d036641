/**
 * Finds comment sentences that begin with "What" or "Of". Comments are plain declarative English,
 * and such sentences hide their subject. A question may be the title line of a file.
 */
import ts from 'typescript';
import { scriptOf } from './imports.ts';

/** Consecutive comment lines without their markers, from line `line` on (0 is the first). */
interface Comment {
  readonly line: number;
  readonly lines: readonly string[];
}

/** The start of a comment, paragraph, list item or tag, or the end of the sentence before. */
const START = /(^\s*|[.!?]\s+|\n\s*\n\s*|\n\s*(?:-|\d+\.)\s+|@(?:param\s+\S+|\w+)\s+)(What|Of)\b(?=([^.!?]*[.!?]?))/g;

/** Faults in the comments of one file, as `path:line: sentence`. */
export function commentFaults(path: string, source: string): string[] {
  if (!/\b(What|Of)\b/.test(source)) return [];
  return commentsOf(path, source).flatMap((comment) => {
    const text = comment.lines.join('\n');
    return [...text.matchAll(START)].flatMap(({ index, 1: before, 2: word, 3: rest }) => {
      if (comment.line === 0 && index === 0 && rest!.endsWith('?')) return [];
      const line = comment.line + text.slice(0, index + before!.length).split('\n').length;
      return [`${path}:${line}: a sentence begins with "${word}": begin with its subject`];
    });
  });
}

function commentsOf(path: string, source: string): Comment[] {
  if (path.endsWith('.css')) return blocksIn(source, /\/\*[\s\S]*?\*\//g);
  if (!path.endsWith('.svelte')) return scriptComments(path, source);
  const markup = source.replace(/<script[\s\S]*?<\/script>/g, (s) => s.replace(/[^\n]/g, ''));
  return [...scriptComments(path, scriptOf(source)), ...blocksIn(markup, /<!--[\s\S]*?-->|\/\*[\s\S]*?\*\//g)];
}

const lineAt = (source: string, position: number): number => source.slice(0, position).split('\n').length - 1;

const blocksIn = (source: string, pattern: RegExp): Comment[] =>
  [...source.matchAll(pattern)].map((m) => ({ line: lineAt(source, m.index), lines: m[0].split('\n').map(unmarked) }));

const unmarked = (line: string): string =>
  line
    .trim()
    .replace(/^(\/\*\*?|\/\/|<!--|\*(?!\/))\s?/, '')
    .replace(/\s*(\*\/|-->)$/, '')
    .trim();

/** Comments of TypeScript or JavaScript. Line comments in consecutive lines are one comment. */
function scriptComments(path: string, source: string): Comment[] {
  const kind = /\.m?js$/.test(path) ? ts.ScriptKind.JS : ts.ScriptKind.TS;
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true, kind);
  const ranges = new Map<number, ts.CommentRange>();
  const visit = (node: ts.Node): void => {
    if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode) return;
    const children = node.getChildren(file);
    for (const child of children) visit(child);
    if (children.length > 0) return;
    const leading = ts.getLeadingCommentRanges(source, node.getFullStart()) ?? [];
    const trailing = ts.getTrailingCommentRanges(source, node.getEnd()) ?? [];
    for (const range of [...leading, ...trailing]) ranges.set(range.pos, range);
  };
  visit(file);
  const out: { line: number; lines: string[] }[] = [];
  for (const range of [...ranges.values()].sort((a, b) => a.pos - b.pos)) {
    const line = file.getLineAndCharacterOfPosition(range.pos).line;
    const lines = source.slice(range.pos, range.end).split('\n').map(unmarked);
    const last = out.at(-1);
    const isNext =
      range.kind === ts.SyntaxKind.SingleLineCommentTrivia && last && last.line + last.lines.length === line;
    if (isNext) last.lines.push(...lines);
    else out.push({ line, lines });
  }
  return out;
}
