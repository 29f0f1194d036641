/** Marks the words in which two texts differ: those outside a longest common subsequence of words. */

export interface Piece {
  readonly text: string;
  /** True where the other text lacks these words. */
  readonly differs: boolean;
}

/** Longer texts are compared by their beginnings, so that the table of lengths stays small. */
const MOST_WORDS = 2000;

/** Pieces of both texts in order; joined, they give the texts. White space goes with the word before it. */
export function wordDiff(a: string, b: string): readonly [readonly Piece[], readonly Piece[]] {
  const [left, right] = [wordsOf(a), wordsOf(b)];
  const [x, y] = [left, right].map((words) => words.slice(0, MOST_WORDS).map((w) => w.trim())) as [string[], string[]];
  // common[i][j]: length of the longest common subsequence of x from i on and y from j on.
  const common = Array.from({ length: x.length + 1 }, () => new Uint16Array(y.length + 1));
  for (let i = x.length - 1; i >= 0; i--)
    for (let j = y.length - 1; j >= 0; j--)
      common[i]![j] = x[i] === y[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
  const differs = [left.map(() => true), right.map(() => true)] as const;
  for (let i = 0, j = 0; i < x.length && j < y.length;) {
    if (x[i] === y[j]) [differs[0][i++], differs[1][j++]] = [false, false];
    else if (common[i + 1]![j]! >= common[i]![j + 1]!) i++;
    else j++;
  }
  return [joined(left, differs[0]), joined(right, differs[1])];
}

const wordsOf = (text: string): string[] => text.match(/\s*\S+\s*|\s+/g) ?? [];

function joined(words: readonly string[], differs: readonly boolean[]): Piece[] {
  const pieces: { text: string; differs: boolean }[] = [];
  for (const [i, text] of words.entries()) {
    const last = pieces.at(-1);
    if (last?.differs === differs[i]) last.text += text;
    else pieces.push({ text, differs: differs[i]! });
  }
  return pieces;
}
