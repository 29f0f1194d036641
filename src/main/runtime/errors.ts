/** Converts the runtime's messages to catalogue errors that name the failing operator. */
import { SecateurError } from '../../shared/contract/errors.ts';

/** Patterns of ONNX Runtime's messages. Group 1 is the operator type, group 2 the node name if present. */
const PATTERNS = [
  /while running (\S+) node\. Name:'([^']*)'/,
  /Could not find an implementation for ([^\s(]+)(?:\(\d+\))? node with name '([^']*)'/,
  /Fatal error: (?:[\w.]*:)?(\w+)\([-\d]*\) is not a registered function\/op()/,
  /No Op registered for (\w+)()/,
  /Node \(([^)]*)\) Op \((\w+)\)/,
] as const;

/** Operator type and node name in a runtime message; empty strings where they are missing. @internal */
export function operatorInMessage(message: string): { operator: string; node: string } {
  for (const [i, p] of PATTERNS.entries()) {
    const m = p.exec(message);
    if (!m) continue;
    return i === 4 ? { operator: m[2] ?? '', node: m[1] ?? '' } : { operator: m[1] ?? '', node: m[2] ?? '' };
  }
  return { operator: '', node: '' };
}

/**
 * `runtime-rejected` with the runtime's own message. The detail holds operator and node where the message names them.
 */
export function runtimeError(e: unknown): SecateurError {
  if (e instanceof SecateurError) return e;
  const message = e instanceof Error ? e.message : String(e);
  const { operator, node } = operatorInMessage(message);
  const said = (message.split('\n')[0] ?? message).replace(/\.+\s*$/, '');
  const at = operator && !said.includes(operator) ? `${operator}: ` : '';
  return new SecateurError(
    'runtime-rejected',
    { reason: at + said, ...(operator && { operator }), ...(node && { node }) },
    { cause: e },
  );
}
