/** Renders the result of checking a bundle as text. */
export interface VerifyOutput {
  /** True when no check failed. */
  readonly ok: boolean;
  readonly digest: string | null;
  /** `ok` null: not comparable, so neither passed nor failed. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean | null; readonly detail: string }[];
}

export function renderVerify(r: VerifyOutput): string {
  const mark = (ok: boolean | null): string => (ok === null ? '----' : ok ? 'pass' : 'FAIL');
  const lines = r.checks.map((c) => `${mark(c.ok)}  ${c.name}${c.detail === '' ? '' : `: ${c.detail}`}\n`);
  const digest = r.digest === null ? '' : `manifest sha256 ${r.digest}\n`;
  const open = r.checks.filter((c) => c.ok === null).map((c) => c.name);
  const good = open.length === 0 ? 'The bundle is valid.' : `No check failed. Not comparable: ${open.join(', ')}.`;
  return `${lines.join('')}${digest}${r.ok ? good : 'The bundle is not valid.'}\n`;
}
