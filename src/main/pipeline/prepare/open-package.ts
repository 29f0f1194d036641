/** Opens packages for tasks: files, components with their roles, and the workload. */
import { join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Component, Package, Workload } from '../../../shared/model/package.ts';
import type { Family } from '../../../shared/model/types.ts';
import type { ComponentShape, PackageShape } from '../../engine/families/contract.ts';
import { familyOf } from '../../engine/families/network.ts';
import { configNumber, dimsFor } from '../../engine/families/ports.ts';
import { imageNoteOf } from '../../engine/families/image-tokens.ts';
import { workloadOf } from '../../engine/families/registry.ts';
import type { Model } from '../../engine/ir/model.ts';
import { componentsOf, roleOf } from '../../engine/packages/layout.ts';
import { axisNames, fedInputs } from '../../runtime/axes.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { packageFiles } from '../../storage/package-files.ts';

export interface OpenedPackage extends Package {
  /** Folder of the package's files. */
  readonly root: string;
  readonly shape: PackageShape;
  readonly workload: Workload;
  /** Returns the absolute path of a component's file. */
  readonly fileOf: (component: string) => string;
  /** Sizes of a component's axes in the phase that runs most often; axes of size 0 are left out. */
  readonly mainDims: (component: string) => Record<string, number>;
  /** Names of a component's dynamic axes. */
  readonly axesOf: (component: string) => ReadonlySet<string>;
}

export interface WorkloadOptions {
  readonly settings?: Readonly<Record<string, number>> | undefined;
  /** Family set by the user; default: the detected family. */
  readonly family?: Family | undefined;
  /**
   * Sizes of dynamic axes by name; they override those of the workload in every component that has
   * the axis.
   */
  readonly dims?: Readonly<Record<string, number>> | undefined;
}

/**
 * Reads the structure of every component; weights stay in their files.
 * @param path folder, or an ONNX file
 * @throws 'package-*', 'workload-setting', and errors of `openModelFile`
 */
export function openPackage(path: string, options: WorkloadOptions = {}): OpenedPackage {
  const { root, models, configs } = packageFiles(path);
  const found = componentsOf(models);
  const components: Component[] = [];
  const shapes: ComponentShape[] = [];
  let [largest, network]: [number, Family] = [-1, 'unknown'];
  for (const { id, file, variants } of found) {
    const model = openModelFile(join(root, file));
    const ports = portsOf(model);
    const names = { inputs: ports.inputs.map((p) => p.name), outputs: ports.outputs.map((p) => p.name) };
    const role = found.length === 1 && !isFolder(path, root) ? 'model' : roleOf(id, names);
    components.push({ id, role, file, variants });
    shapes.push({ id, role, file, ...ports });
    if (model.graph.nodeCount > largest) [largest, network] = [model.graph.nodeCount, familyOf(model)];
  }
  const shape: PackageShape = { components: shapes, configs, network };
  const workload = useOf(shape, options);
  return {
    path,
    root,
    shape,
    family: workload.family,
    components,
    configs: Object.keys(configs),
    workload,
    fileOf: (id) => join(root, components.find((c) => c.id === id)!.file),
    mainDims: (id) => mainDims(shape, workload, id),
    axesOf: (id) => axesOf(shapes.find((c) => c.id === id)!),
  };
}

/** The package with models in the place of components, by id. Their ports may differ. */
export const withModels = (shape: PackageShape, replaced: ReadonlyMap<string, Model>): PackageShape => ({
  ...shape,
  components: shape.components.map((c) => {
    const model = replaced.get(c.id);
    return model ? { ...c, ...portsOf(model) } : c;
  }),
});

/** The package with other files for some components, by id. Its other files are those of the original. */
export function withFiles(pkg: OpenedPackage, files: ReadonlyMap<string, string>): OpenedPackage {
  const models = new Map([...files].map(([id, file]) => [id, openModelFile(file)]));
  return { ...pkg, shape: withModels(pkg.shape, models), fileOf: (id) => files.get(id) ?? pkg.fileOf(id) };
}

/** One use of a package. @throws 'workload-setting', 'dim-unknown' */
export const useOf = (shape: PackageShape, { settings, family, dims }: WorkloadOptions): Workload =>
  sizedAs(workloadOf(shape, settings, family), shape.components, dims ?? {});

const isFolder = (path: string, root: string): boolean => path === root;

/** Inputs and outputs of a model, with the names of dynamic axes, and its note on image tokens. */
function portsOf(model: Model): Pick<ComponentShape, 'inputs' | 'outputs' | 'imageNote'> {
  const imageNote = imageNoteOf(model);
  return {
    ...(imageNote && { imageNote }),
    inputs: fedInputs(model).map((v) => {
      const names = axisNames(v);
      const shape = (v.type?.shape ?? []).map((d, axis) => names[axis] ?? (d as number));
      return { name: v.name, shape, ...(v.type && { dtype: v.type.elemType }) };
    }),
    outputs: model.graph.outputs.map((v) => ({ name: v.name, shape: (v.type?.shape ?? []).map((d) => d ?? '?') })),
  };
}

/** A component without a phase gets its sizes from the configuration. */
function mainDims(pkg: PackageShape, { phases }: Workload, id: string): Record<string, number> {
  const [first, ...rest] = phases.filter((p) => p.component === id);
  const main = first && rest.reduce((a, b) => (b.repeat > a.repeat ? b : a), first);
  if (!main)
    return dimsFor(
      pkg.components.find((c) => c.id === id)!,
      { batch: 1, ...sideOf(pkg) },
    );
  return Object.fromEntries(Object.entries(main.dims).filter(([, size]) => size > 0));
}

function sideOf(pkg: PackageShape): { side?: number } {
  const side = configNumber(pkg, ['image_size'], ['vision_config', 'encoder']);
  return side === null ? {} : { side };
}

const axesOf = ({ inputs }: ComponentShape): Set<string> =>
  new Set(inputs.flatMap((p) => p.shape.filter((d) => typeof d === 'string')));

/** @throws 'dim-unknown' for an axis that no component has */
function sizedAs(
  workload: Workload,
  components: readonly ComponentShape[],
  dims: Readonly<Record<string, number>>,
): Workload {
  const axes = new Map(components.map((c) => [c.id, axesOf(c)]));
  const known = new Set([...axes.values()].flatMap((names) => [...names]));
  const unknown = Object.keys(dims).find((name) => !known.has(name));
  if (unknown !== undefined) throw new SecateurError('dim-unknown', { name: unknown, known: [...known].join(', ') });
  const phases = workload.phases.map((p) => {
    const own = Object.entries(dims).filter(([name]) => axes.get(p.component)!.has(name));
    return { ...p, dims: { ...p.dims, ...Object.fromEntries(own) } };
  });
  return { ...workload, phases };
}
