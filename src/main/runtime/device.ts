/** Describes this machine for reports and tables. */
import { availableParallelism, cpus, hostname } from 'node:os';
import * as ort from 'onnxruntime-node';
import type { DeviceProfile, Provenance } from '../../shared/model/types.ts';

/** `onnxruntime-node 1.x.y`, as used in provenance and table keys. */
export const runtimeVersion = (): string => `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`;

/** The profile with id 'local'. Providers are those whose libraries are bundled with the runtime. */
export function localDevice(): DeviceProfile {
  const all = cpus();
  return {
    id: 'local',
    name: hostname(),
    kind: 'local',
    processor: all[0]?.model.trim() || 'unknown processor',
    // Cores that this process may use. A container or an affinity mask may allow fewer than the machine has, and extra
    // threads would spin against each other.
    cores: Math.min(all.length, availableParallelism()),
    providers: ort.listSupportedBackends().flatMap((b) => (b.bundled ? [b.name] : [])),
    runtime: runtimeVersion(),
  };
}

/** Provenance of a figure measured on this machine now. */
export function measuredHere(device: DeviceProfile = localDevice()): Provenance {
  return {
    kind: 'measured',
    device: device.id,
    processor: device.processor,
    runtime: device.runtime,
    date: new Date().toISOString(),
  };
}
