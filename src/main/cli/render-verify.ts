/** The result of checking a bundle, as people read it. */
export interface VerifyOutput {
  /** Every check passed. */
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

export function renderVerify(r: VerifyOutput): string {
  const lines = r.checks.map((c) => `${c.ok ? 'pass' : 'FAIL'}  ${c.name}${c.detail === '' ? '' : `: ${c.detail}`}\n`);
  return `${lines.join('')}${r.ok ? 'The bundle is good.' : 'The bundle is not good.'}\n`;
}
