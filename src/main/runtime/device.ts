/** What this machine is, as reports and tables name it. */
import { availableParallelism, cpus, hostname } from 'node:os';
import * as ort from 'onnxruntime-node';
import type { DeviceProfile, Provenance } from '../../shared/model/types.ts';

/** `onnxruntime-node 1.x.y`, as provenance and table keys spell it. */
export const runtimeVersion = (): string => `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`;

/** Id 'local'. Providers are those whose libraries are bundled with the runtime. */
export function localDevice(): DeviceProfile {
  const all = cpus();
  return {
    id: 'local',
    name: hostname(),
    kind: 'local',
    processor: all[0]?.model.trim() || 'unknown processor',
    // Those that this process may use: a container or an affinity mask may leave it fewer than there are, and threads
    // beyond them would spin against each other.
    cores: Math.min(all.length, availableParallelism()),
    providers: ort.listSupportedBackends().flatMap((b) => (b.bundled ? [b.name] : [])),
    runtime: runtimeVersion(),
  };
}

/** Provenance of a figure measured here and now. */
export function measuredHere(device: DeviceProfile = localDevice()): Provenance {
  return {
    kind: 'measured',
    device: device.id,
    processor: device.processor,
    runtime: device.runtime,
    date: new Date().toISOString(),
  };
}
