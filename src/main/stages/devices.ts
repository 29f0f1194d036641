/** What this machine is, asked of the runtime. */
import type { DeviceProfile } from '../../shared/model/types.ts';
import { localDevice } from '../runtime/device.ts';

export const runDevices = async (): Promise<DeviceProfile> => localDevice();
