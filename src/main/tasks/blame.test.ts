/**
 * When the runtime rejects a graph that Secateur made, the defect is Secateur's; when it rejects
 * the model as given, the defect is the user's.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { smallModel } from '../../../test/support/bundle.ts';
import { SecateurError } from '../../shared/contract/errors.ts';
import { Node } from '../engine/ir/node.ts';
import { Value } from '../engine/ir/value.ts';
import { createExecutor } from '../runtime/executor.ts';
import { saveModelFile } from '../storage/model-files.ts';
import { blaming } from './blame.ts';
import type { StageContext } from '../pipeline/context.ts';

const dir = mkdtempSync(join(tmpdir(), 'secateur-blame-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const ctx = { executor: createExecutor() } as unknown as StageContext;

const failing = (code: 'runtime-rejected' | 'data-shape') =>
  blaming(
    () => Promise.reject(new SecateurError(code, { reason: 'Split does not add up', operator: 'Split' })),
    (model: string) => ({ models: [model] }),
  );

it('calls a refusal our defect where the model itself runs', async () => {
  const path = join(dir, 'good.onnx');
  saveModelFile(smallModel(), path);
  const error = await failing('runtime-rejected')(path, ctx).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'own-graph-rejected', detail: { operator: 'Split' } });
  expect((error as SecateurError).remedy).not.toContain('Check that the model runs');
  await expect(failing('data-shape')(path, ctx)).rejects.toMatchObject({ code: 'data-shape' });
});

it("gives the runtime's own words on a model that it does not run as it was given", async () => {
  const model = smallModel();
  const y = new Value('strange');
  model.opsets.set('com.acme', 1);
  model.graph.append(new Node('Frobnicate', [model.graph.outputs[0]!], [y], { domain: 'com.acme', name: 'f' }));
  model.graph.outputs.push(y);
  const path = join(dir, 'bad.onnx');
  saveModelFile(model, path);
  await expect(failing('runtime-rejected')(path, ctx)).rejects.toMatchObject({
    code: 'runtime-rejected',
    detail: { operator: 'Frobnicate' },
  });
});
