import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { localDevice } from '../runtime/device.ts';
import { createExecutor } from '../runtime/executor.ts';
import { ArtifactStore } from '../storage/artifacts.ts';
import type { StageContext } from '../pipeline/context.ts';
import { runDevices } from './devices.ts';
import { runProvider } from './provider.ts';

const home = mkdtempSync(join(tmpdir(), 'secateur-devices-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const context = (apart: StageContext['inSubprocess']): Pick<StageContext, 'inSubprocess' | 'artifact'> => {
  const store = new ArtifactStore(join(home, 'artifacts'));
  return { inSubprocess: apart, artifact: (stage, key, make) => store.get(stage, key, make) };
};

it('offers the providers that opened a session, and asks each once', async () => {
  const asked: unknown[] = [];
  const dies = context((task, input) => {
    asked.push([task, input]);
    return Promise.reject(new Error('the process ended'));
  });
  const { providers, ...device } = await runDevices({}, dies);
  expect(providers).toEqual(['cpu']);
  const others = localDevice().providers.filter((p) => p !== 'cpu');
  expect(asked).toEqual(others.map((provider) => ['provider', { provider }]));
  const again = context(() => Promise.reject(new Error('asked again')));
  expect(await runDevices({}, again)).toEqual({ ...device, providers: ['cpu'] });
});

it('runs a tiny model on a provider, and fails where there is none', async () => {
  const executor = createExecutor();
  expect(await runProvider({ provider: 'cpu' }, { executor })).toBe(true);
  await expect(runProvider({ provider: 'nothing' }, { executor })).rejects.toMatchObject({ code: 'runtime-rejected' });
});
