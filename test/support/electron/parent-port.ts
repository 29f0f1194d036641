// Inside a utility process of the stand-in: process.parentPort, and no channel of Node's.
import { EventEmitter } from 'node:events';

const send = process.send?.bind(process);
class ParentPort extends EventEmitter {
  postMessage(message: unknown): void {
    if (process.connected) send?.(message, undefined, undefined, () => undefined);
  }
}
const parentPort = new ParentPort();
process.on('message', (data) => parentPort.emit('message', { data, ports: [] }));
// Chromium ends the utility processes of an app that is gone.
process.on('disconnect', () => process.exit(0));
process.on('error', () => process.exit(0));
Object.assign(process, { parentPort, send: undefined });
