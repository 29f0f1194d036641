/**
 * One line of text for a component's ports. Ports that differ only in a number, such as the caches
 * of layers, are named once.
 */
import type { Port } from '../../shared/model/tasks.ts';

/** Number of ports named before the rest is counted. */
const MOST = 5;

export function portsText(ports: readonly Port[]): string {
  const alike = new Map<string, { readonly port: Port; count: number }>();
  for (const port of ports) {
    const name = port.name.replace(/\d+/g, '*');
    const key = JSON.stringify([name, port.dtype, port.shape]);
    const same = alike.get(key);
    if (same) same.count++;
    else alike.set(key, { port, count: 1 });
  }
  const texts = [...alike.values()].map(({ port, count }) => {
    const name = count > 1 ? port.name.replace(/\d+/g, '*') : port.name;
    return `${name} ${port.dtype}[${port.shape.join(', ')}]${count > 1 ? ` (× ${count})` : ''}`;
  });
  const rest = texts.length - MOST;
  return [...texts.slice(0, MOST), ...(rest > 0 ? [`+ ${rest}`] : [])].join(', ');
}
