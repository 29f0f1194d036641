// Runs inside a utility process of the stand-in: provides process.parentPort and hides Node's
// channel.
import { EventEmitter } from 'node:events';

const send = process.send?.bind(process);
class ParentPort extends EventEmitter {
  postMessage(message: unknown): void {
    if (process.connected) send?.(message, undefined, undefined, () => undefined);
  }
}
const parentPort = new ParentPort();
process.on('message', (data) => parentPort.emit('message', { data, ports: [] }));
// Chromium ends the utility processes of a dead app.
process.on('disconnect', () => process.exit(0));
process.on('error', () => process.exit(0));
Object.assign(process, { parentPort, send: undefined });
