/** What this machine is, asked of the runtime, with the execution providers that really run a model here. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeviceProfile } from '../../shared/model/types.ts';
import { localDevice } from '../runtime/device.ts';
import type { StageContext } from '../pipeline/context.ts';
import { deviceLeaf } from '../pipeline/leaves.ts';
import { input, jsonFile, stage } from '../pipeline/stage.ts';

/** A provider without its device may look for it for ever. */
const PROBE_MS = 30_000;

export async function runDevices(
  _: unknown,
  ctx: Pick<StageContext, 'inSubprocess' | 'artifact'>,
): Promise<DeviceProfile> {
  const device = localDevice();
  const { value: providers } = await workingProviders.run({ device: deviceLeaf(device) }, ctx);
  return { ...device, providers };
}

/** Whether a provider works changes with the runtime; drivers are looked for again when it does. */
const workingProviders = stage({
  name: 'providers',
  version: 1,
  inputs: { device: input<DeviceProfile>() },
  run: async ({ device }, ctx: Pick<StageContext, 'inSubprocess'>) => {
    const opened: string[] = [];
    for (const provider of device.providers) if (await opens(provider, ctx)) opened.push(provider);
    return opened;
  },
  codec: jsonFile<readonly string[]>('providers.json'),
});

/** In a process of its own: a provider that lacks its driver may end the process that asks for it. */
async function opens(provider: string, ctx: Pick<StageContext, 'inSubprocess'>): Promise<boolean> {
  // It is part of the runtime on every machine.
  if (provider === 'cpu') return true;
  const late = new AbortController();
  try {
    return await Promise.race([
      ctx.inSubprocess('provider', { provider }).then((answer) => answer === true),
      sleep(PROBE_MS, false, { signal: late.signal }),
    ]);
  } catch {
    // That is the answer: it does not open here.
    return false;
  } finally {
    late.abort();
  }
}
