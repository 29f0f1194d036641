// A process that runs one job and is killed by tests: node host.ts HOME KIND JSON. Prints the job's
// id, then its outcome.
import { openTestServices } from './open.ts';

const [home, kind, input] = process.argv.slice(2);
if (!home || !kind || !input) throw new Error('usage: host.ts HOME KIND JSON');
const services = openTestServices(home);
const handle = services.jobs.start(kind, JSON.parse(input));
console.log(handle.id);
console.log(JSON.stringify(await handle.done));
await services.close();
