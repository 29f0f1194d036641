/**
 * Describes this machine as the runtime sees it, with the execution providers that really run a
 * model here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeviceProfile } from '../../shared/model/types.ts';
import { localDevice } from '../runtime/device.ts';
import type { StageContext } from '../pipeline/context.ts';
import { deviceLeaf } from '../pipeline/leaves.ts';
import { input, jsonFile, stage } from '../pipeline/stage.ts';

/** A provider without its device may search for it without end. */
const PROBE_MS = 30_000;

export async function runDevices(
  _: unknown,
  ctx: Pick<StageContext, 'inSubprocess' | 'artifact'>,
): Promise<DeviceProfile> {
  const device = localDevice();
  const { value: providers } = await workingProviders.run({ device: deviceLeaf(device) }, ctx);
  return { ...device, providers };
}

/** A change of the runtime can change which providers work, so the probe is repeated then. */
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

/**
 * Runs in a process of its own: a provider without its driver may end the process that opens it.
 */
async function opens(provider: string, ctx: Pick<StageContext, 'inSubprocess'>): Promise<boolean> {
  // The CPU provider is part of the runtime on every machine.
  if (provider === 'cpu') return true;
  const late = new AbortController();
  try {
    return await Promise.race([
      ctx.inSubprocess('provider', { provider }).then((answer) => answer === true),
      sleep(PROBE_MS, false, { signal: late.signal }),
    ]);
  } catch {
    // A failed probe is the answer: the provider does not open here.
    return false;
  } finally {
    late.abort();
  }
}
