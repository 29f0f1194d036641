/** The result of checking a bundle, as people read it. */
export interface VerifyOutput {
  /** Every check passed. */
  readonly ok: boolean;
  readonly digest: string | null;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

export function renderVerify(r: VerifyOutput): string {
  const lines = r.checks.map((c) => `${c.ok ? 'pass' : 'FAIL'}  ${c.name}${c.detail === '' ? '' : `: ${c.detail}`}\n`);
  const digest = r.digest === null ? '' : `manifest sha256 ${r.digest}\n`;
  return `${lines.join('')}${digest}${r.ok ? 'The bundle is good.' : 'The bundle is not good.'}\n`;
}
